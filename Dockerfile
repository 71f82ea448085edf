# pgkeep as an image: the service, the `pgkeep` command and PostgreSQL's client tools.
#
#   docker build -t pgkeep .
#   docker run --read-only --env DATABASE_URL_FILE=… pgkeep
#
# An application ships its own migrations, which pgkeep compares with the database's history:
#
#   FROM pgkeep
#   COPY prisma/migrations prisma/migrations
#
# Nothing secret is needed to build it, and nothing secret is in it: passwords and tokens come when it runs, best as
# files (DATABASE_URL_FILE, ADMIN_API_TOKEN_FILE).

# --- Build: everything, compiler and Prisma's CLI included; also the target that applies migrations in the compose file
FROM node:24-trixie-slim AS build
# Prisma's CLI would download its native engine otherwise; this one is pgkeep's own.
ENV PRISMA_SCHEMA_ENGINE_BINARY=/build/scripts/schema-engine CHECKPOINT_DISABLE=1 PRISMA_HIDE_UPDATE_MESSAGE=1
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --include=dev --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build && find dist \( -name '*.d.ts' -o -name .tsbuildinfo \) -delete

# --- What runs: 78 MB, far less than `npm ci --omit=dev` alone would leave
FROM node:24-trixie-slim AS modules
WORKDIR /build
COPY package.json package-lock.json ./
# Prisma's CLI, its engines and TypeScript are optional peers of @prisma/client, so --omit=dev alone keeps them.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund
# No program reads types or source maps, and the query compilers of other databases are never loaded.
RUN find node_modules -type f \( -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.map' \) -delete \
 && find node_modules/@prisma/client/runtime -name 'query_compiler_*' ! -name 'query_compiler_fast_bg.postgresql.*' -delete \
 && rm -r node_modules/@types node_modules/undici-types

# --- The image: on top of Debian, Node.js (127 MB, one file, without npm), pgkeep with what it depends on (78 MB) and
# PostgreSQL's client tools with their libraries (11 MB)
FROM debian:trixie-slim
# pg_dump refuses a server that is newer than itself; 17 is the newest that Debian 13 holds. What it makes of an older
# server pgkeep restores into that one, too (docs/dumps.md).
# The tools are unpacked, not installed: the package also wants Perl, 50 MB, for a wrapper that nobody here calls.
ARG PG_MAJOR=17
RUN set -eu; \
    apt-get update -q; \
    cd "$(mktemp -d)"; \
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
      ca-certificates libpq5 libreadline8t64 liblz4-1 libzstd1 zlib1g; \
    apt-get download -q "postgresql-client-$PG_MAJOR"; \
    dpkg-deb --extract "postgresql-client-$PG_MAJOR"_*.deb client; \
    mkdir -p "/usr/lib/postgresql/$PG_MAJOR"; \
    cp -r "client/usr/lib/postgresql/$PG_MAJOR/bin" "/usr/lib/postgresql/$PG_MAJOR/"; \
    if ldd "/usr/lib/postgresql/$PG_MAJOR/bin/"* | grep 'not found'; then exit 1; fi; \
    cd /; rm -rf "$OLDPWD" /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log; \
    useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin pgkeep
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/${PG_MAJOR}/bin
COPY --from=build /usr/local/bin/node /usr/local/bin/node

WORKDIR /opt/pgkeep
COPY --from=modules /build/node_modules node_modules
COPY package.json LICENSE ./
COPY prisma/migrations prisma/migrations
COPY --from=build /build/dist dist
RUN chmod +x dist/cli.js && mkdir /app && ln -s /opt/pgkeep/dist/cli.js /usr/local/bin/pgkeep

# An embedded PostgreSQL is never started in production, and there is none in the image.
ENV NODE_ENV=production
# A number, so that Kubernetes' runAsNonRoot can tell. Any other user does as well: nothing is written.
USER 10001:10001
# Fails the build where the pruning took too much: what is loaded only on demand is loaded here.
RUN pgkeep --help >/dev/null && pg_dump --version && psql --version && node --input-type=module --eval " \
      const { engineVersion } = await import('/opt/pgkeep/dist/migrations/engine/wasm-module.js'); \
      await engineVersion(); \
      await import('/opt/pgkeep/dist/deploy/deploy/deploy-run.js'); \
      const { loadSqlParser } = await import('/opt/pgkeep/dist/migrations/sql/sql-parser.js'); \
      await loadSqlParser(); \
      await import('/opt/pgkeep/dist/postgres/records.js'); \
      await import('/opt/pgkeep/dist/scheduler/pgkeep-schedule.module.js'); \
      await import('/opt/pgkeep/dist/jobs/due-times.js'); \
      await import('/opt/pgkeep/dist/backup/backup-run.js'); \
      await import('/opt/pgkeep/dist/backup/export-run.js'); \
      await import('/opt/pgkeep/dist/restore/restore.js'); \
      await import('/opt/pgkeep/dist/restore/test-backup.js'); \
      await import('/opt/pgkeep/dist/storage/s3/s3-storage.js'); \
      await import('/opt/pgkeep/dist/storage/gcs/gcs-storage.js'); \
      await import('age-encryption'); \
      await import('/opt/pgkeep/dist/generated/prisma/client.js'); \
      await import('@prisma/adapter-pg'); \
      await import('@prisma/client/runtime/query_compiler_fast_bg.postgresql.mjs'); \
      await import('@prisma/client/runtime/query_compiler_fast_bg.postgresql.wasm-base64.mjs');"

# Where the application's prisma/migrations belong (MIGRATIONS_DIR), and its .env files if it has any.
WORKDIR /app
EXPOSE 3000
# Says "not ready" on SIGTERM, answers for READINESS_REFRESH_MS longer, then ends: give it 10 s or more.
STOPSIGNAL SIGTERM
# Liveness only: a database that is down must not get this container restarted.
HEALTHCHECK --interval=15s --timeout=5s --start-period=15s --retries=3 CMD ["node", "--eval", "const { PORT, HOST } = process.env; const host = !HOST || HOST === '0.0.0.0' ? '127.0.0.1' : HOST === '::' ? '[::1]' : HOST; fetch(`http://${host}:${PORT || 3000}/live`, { signal: AbortSignal.timeout(4000) }).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "/opt/pgkeep/dist/main.js"]
