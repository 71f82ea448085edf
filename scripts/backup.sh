#!/usr/bin/env bash
# One backup of an environment's database: ./scripts/backup.sh production
set -euo pipefail
if [ $# -lt 1 ]; then
  echo "Usage: $0 production|staging|development|test" >&2
  exit 2
fi
environment=$1
shift
# Runs in the caller's directory, which has the .env files and the backups.
exec node "$(dirname "${BASH_SOURCE[0]}")/../dist/cli.js" backup --env "$environment" "$@"
