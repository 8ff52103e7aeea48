# SPDX-License-Identifier: Apache-2.0
"""examples/web-service, applied with the unmodified AWS provider: it works, stays as it is, changes, and leaves nothing behind."""
import os
import shutil
import subprocess
import unittest

import terraform
from farm import free_port
from lab import ROOT, LabTest, wait_for
from test_balancer import certificate


def lines(command):
    return subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout.splitlines()


# What others have at a balancer, beside what the example has: it costs no further wait for one.
MORE = '''
provider "aws" {
  alias                   = "acm"
  region                  = "us-east-1"
  skip_metadata_api_check = true
  endpoints {
    acm = var.endpoint
    sts = var.endpoint
  }
}
variable "secure_port" { type = number }
resource "aws_acm_certificate" "all" {
  provider         = aws.acm
  count            = 2
  private_key      = file("key${count.index}.pem")
  certificate_body = file("cert${count.index}.pem")
}
resource "aws_lb_target_group" "sticky" {
  count                         = 2
  name                          = "sticky${count.index}"
  vpc_id                        = aws_vpc.main.id
  target_type                   = "ip"
  protocol                      = "HTTP"
  port                          = 80
  slow_start                    = 30
  load_balancing_algorithm_type = "round_robin"
  stickiness {
    type            = count.index == 0 ? "lb_cookie" : "app_cookie"
    cookie_name     = count.index == 0 ? null : "SESSION"
    cookie_duration = 600
  }
  health_check {
    path    = "/health"
    matcher = "200-299"
  }
}
resource "aws_lb_target_group" "grpc" {
  name             = "grpc"
  vpc_id           = aws_vpc.main.id
  target_type      = "ip"
  protocol         = "HTTP"
  protocol_version = "GRPC"
  port             = 80
  health_check { matcher = "0-99" }
}
resource "aws_lb_target_group_attachment" "one" {
  target_group_arn = aws_lb_target_group.grpc.arn
  target_id        = "127.0.0.1"
  port             = 9
}
resource "aws_lb_listener" "secure" {
  load_balancer_arn = aws_lb.web.arn
  protocol          = "HTTPS"
  port              = var.secure_port
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = aws_acm_certificate.all[0].arn
  default_action {
    type = "forward"
    forward {
      dynamic "target_group" {
        for_each = aws_lb_target_group.sticky
        content {
          arn    = target_group.value.arn
          weight = 50
        }
      }
      stickiness {
        enabled  = true
        duration = 600
      }
    }
  }
}
resource "aws_lb_listener_certificate" "second" {
  listener_arn    = aws_lb_listener.secure.arn
  certificate_arn = aws_acm_certificate.all[1].arn
}
resource "aws_lb_listener_rule" "fixed" {
  listener_arn = aws_lb_listener.secure.arn
  priority     = 10
  action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      message_body = "no"
      status_code  = "403"
    }
  }
  condition {
    path_pattern { values = ["/admin*"] }
  }
  condition {
    source_ip { values = ["127.0.0.0/8"] }
  }
}
resource "aws_lb_listener_rule" "redirect" {
  listener_arn = aws_lb_listener.secure.arn
  action {
    type = "redirect"
    redirect {
      host        = "www.#{host}"
      path        = "/new#{path}"
      status_code = "HTTP_302"
    }
  }
  condition {
    host_header { values = ["old.test", "*.old.test"] }
  }
  condition {
    http_request_method { values = ["GET", "HEAD"] }
  }
}
resource "aws_lb_listener_rule" "grpc" {
  listener_arn = aws_lb_listener.secure.arn
  priority     = 30
  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.grpc.arn
  }
  condition {
    query_string {
      key   = "v"
      value = "2*"
    }
    query_string { value = "beta" }
  }
  condition {
    http_header {
      http_header_name = "X-Kind"
      values           = ["a*"]
    }
  }
}
'''


@terraform.needed
class WebService(LabTest):
    def traces(self):
        """What there is of containers, namespaces, interfaces, rules and proxies."""
        data = self.lab.data
        return {'containers': len(lines('pgrep -x conmon || true')),
                'namespaces': lines(f'find {data} -path "*/network/*" \\( -path "*/routers/*" -o -path "*/netns/*" \\) | sort'),
                'links': lines('ip -o link | grep -oE "gantry-v[0-9]+|vxlan[^:]*" || true'),
                'rules': lines('nft list ruleset'),
                'proxies': len(lines('pgrep -x haproxy || true')),
                'interfaces': len(self.lab.ec2.describe_network_interfaces()['NetworkInterfaces'])}

    def said(self):
        url = self.stack.run('output', '-raw', 'url')
        return subprocess.run(['curl', '-sS', '--max-time', '5', url], capture_output=True, text=True, check=True).stdout.strip()

    def test_apply_change_destroy(self):
        folder = os.path.join(self.lab.dir, 'web-service')
        shutil.copytree(os.path.join(ROOT, 'examples', 'web-service'), folder)
        with open(os.path.join(folder, 'more.tf'), 'w') as f:
            f.write(MORE)
        for i in range(2):
            made = certificate(self.lab.dir, f'site{i}.test')
            for kind, name in (('PrivateKey', 'key'), ('Certificate', 'cert')):
                with open(os.path.join(folder, f'{name}{i}.pem'), 'wb') as f:
                    f.write(made[kind])
        secure = free_port()
        variables = [f'-var=endpoint={self.lab.variables["AWS_ENDPOINT_URL"]}', f'-var=port={free_port()}', f'-var=secure_port={secure}']
        first = [*variables, f'-var=image={self.image}']
        # The same under another name: an image of its own to the service.
        shutil.copytree(os.path.join(self.lab.dir, 'busybox'), os.path.join(self.lab.dir, 'busybox2'))
        second = [*variables, f'-var=image=oci:{os.path.join(self.lab.dir, "busybox2")}:latest', '-var=text=bye']
        before = self.traces()
        self.stack = terraform.Stack(folder, self.lab.variables)
        self.stack.apply(*first)
        self.assertEqual('hello', self.said())
        self.assertEqual('no', subprocess.run(['curl', '-sSk', f'https://127.0.0.1:{secure}/admin/x'], capture_output=True, text=True).stdout)
        self.stack.settled(*first)
        self.stack.apply(*second)
        self.assertEqual('bye', self.said())
        self.stack.destroy(*second)
        try:
            wait_for(lambda: self.traces() == before, 30, 'everything to be gone', 0.5)
        except AssertionError as e:
            now = self.traces()
            raise AssertionError(f'{e}: {[(k, before[k], now[k]) for k in now if now[k] != before[k]]}\n{self.lab.tail()}') from None


if __name__ == '__main__':
    unittest.main()
