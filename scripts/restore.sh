#!/usr/bin/env bash
# Restores a backup into an environment's database: ./scripts/restore.sh production FILE
# Production requires the word RESTORE_PRODUCTION. `./scripts/restore.sh production --list` shows the backups.
set -euo pipefail
if [ $# -lt 2 ]; then
  echo "Usage: $0 production|staging|development|test FILE|--list" >&2
  exit 2
fi
environment=$1
shift
# Runs in the caller's directory, which has the .env files and the backups.
exec node "$(dirname "${BASH_SOURCE[0]}")/../dist/cli.js" restore --env "$environment" "$@"
