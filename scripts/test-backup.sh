#!/usr/bin/env bash
# Tests the newest backup of an environment by restoring it: ./scripts/test-backup.sh staging
set -euo pipefail
if [ $# -lt 1 ]; then
  echo "Usage: $0 production|staging|development|test [BACKUP]" >&2
  exit 2
fi
environment=$1
shift
# Runs in the caller's directory, which has the .env files and the backups.
exec node "$(dirname "${BASH_SOURCE[0]}")/../dist/cli.js" restore test --env "$environment" "$@"
