#!/usr/bin/env bash
# The main job: `gantry up` with a demonstration task, a small web page. Ctrl-C ends Gantry; what ran is adopted next time.
set -euo pipefail
cd "$(dirname "$0")/.."
gantry=$(readlink -f "${1:-build/gantry}")
data=${GANTRY_DATA_DIR:-/var/lib/gantry}
listen=${GANTRY_LISTEN:-127.0.0.1:4327}

if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "make run: containers need root: run it as root, or install sudo" >&2; exit 1; }
  exec sudo --preserve-env=GANTRY_DATA_DIR,GANTRY_LISTEN,GANTRY_DEMO_EXIT "$0" "$@"
fi
mkdir -p "$data"
image=$data/demo/web
python3 tools/make-busybox-image.py "$image" --add tools/demo:/www --expose 80/tcp \
  --cmd "sh -c 'echo the demonstration starts; exec httpd -f -v -p 80 -h /www'" >/dev/null

fifo=$(mktemp -u)
mkfifo "$fifo"
"$gantry" up --data-dir "$data" --listen "$listen" >"$fifo" &
up=$!
trap 'kill -TERM $up 2>/dev/null; wait $up 2>/dev/null || true; rm -f "$fifo"' EXIT
trap 'exit 0' INT TERM
exec 3<"$fifo"
if ! read -r line <&3; then
  echo "gantry up ended before it was ready: its messages above say why" >&2
  exit 1
fi
echo "$line"

eval "$("$gantry" env --data-dir "$data" --function)"
export AWS_PAGER=
task() {
  aws ecs list-tasks --family demo --desired-status RUNNING --query 'taskArns[0]' --output text
}
arn=$(task)
if [ "$arn" = None ]; then
  aws ecs register-task-definition --output text --query taskDefinition.taskDefinitionArn --family demo \
    --container-definitions "[{\"name\":\"web\",\"image\":\"oci:$image:latest\",\"memory\":64,\"linuxParameters\":{\"initProcessEnabled\":true},\"portMappings\":[{\"containerPort\":80,\"hostPort\":${GANTRY_DEMO_PORT:-8080}}],
      \"logConfiguration\":{\"logDriver\":\"awslogs\",\"options\":{\"awslogs-group\":\"/ecs/demo\",\"awslogs-region\":\"$AWS_REGION\",\"awslogs-stream-prefix\":\"ecs\",\"awslogs-create-group\":\"true\"}}}]"
  arn=$(aws ecs run-task --task-definition demo --query 'tasks[0].taskArn' --output text)
  echo "started $arn"
fi
if ! aws ecs wait tasks-running --tasks "$arn"; then
  aws ecs describe-tasks --tasks "$arn" --query 'tasks[0].[stoppedReason,containers[].reason]' --output text
  exit 1
fi
port=$(aws ecs describe-tasks --tasks "$arn" --query 'tasks[0].containers[0].networkBindings[0].hostPort' --output text)
# `aws logs tail` came with version 2 of the CLI.
logs="aws logs tail /ecs/demo --follow"
case "$(command aws --version 2>&1)" in aws-cli/1*) logs="aws logs filter-log-events --log-group-name /ecs/demo" ;; esac
cat <<TEXT

  The demonstration answers at   http://127.0.0.1:$port/

  In another shell:
      eval "\$(sudo $gantry env --data-dir $data --function)"
      aws ecs describe-tasks --tasks $arn
      $logs
      aws ecs stop-task --task $arn

  Ctrl-C here ends Gantry and leaves the container running; \`make run\` finds it again.

TEXT
[ -z "${GANTRY_DEMO_EXIT:-}" ] || { curl -fsS "http://127.0.0.1:$port/"; exit 0; }
wait $up
