-- For wrk: small POST requests as an SDK sends them.
wrk.method = "POST"
wrk.body = '{"cluster":"default","tasks":["0123456789abcdef0123456789abcdef"]}'
wrk.headers["Content-Type"] = "application/x-amz-json-1.1"
wrk.headers["X-Amz-Target"] = "AmazonEC2ContainerServiceV20141113.DescribeTasks"
