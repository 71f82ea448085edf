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
# Building it needs no secret, and it contains none: passwords and tokens are passed when it runs, best as files
# (DATABASE_URL_FILE, ADMIN_API_TOKEN_FILE).

# --- Build: everything, compiler and Prisma's CLI included; also the target that applies migrations in the compose file
FROM node:24-trixie-slim AS build
# Otherwise Prisma's CLI would download its native engine.
ENV PRISMA_SCHEMA_ENGINE_BINARY=/build/bin/schema-engine CHECKPOINT_DISABLE=1 PRISMA_HIDE_UPDATE_MESSAGE=1
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --include=dev --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build && find dist packages/*/dist \( -name '*.d.ts' -o -name .tsbuildinfo \) -delete

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
# pg_dump refuses a server that is newer than itself; 17 is the newest in Debian 13. Its dump of an older server can
# be restored into that server (docs/dumps.md).
# The tools are unpacked, not installed: the package also depends on Perl, 50 MB, for a wrapper that is not used here.
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
COPY assets assets
COPY bin bin
COPY prisma/migrations prisma/migrations
COPY packages/prisma-schema-engine-bridge/package.json packages/prisma-schema-engine-bridge/package.json
COPY --from=build /build/packages/prisma-schema-engine-bridge/dist packages/prisma-schema-engine-bridge/dist
COPY --from=build /build/dist dist
# A new named volume at /backups (BACKUP_DIR) gets its owner from here.
RUN chmod +x dist/cli.js && mkdir /app && ln -s /opt/pgkeep/dist/cli.js /usr/local/bin/pgkeep \
 && install -d -o pgkeep -g pgkeep -m 700 /backups

# An embedded PostgreSQL is never started in production, and there is none in the image.
ENV NODE_ENV=production
# A number, because Kubernetes' runAsNonRoot needs one. Any other user works as well: the image writes nothing.
USER 10001:10001
# Fails the build where a file is missing: loads every module, also those that are loaded only on demand.
RUN pgkeep --help >/dev/null && pg_dump --version && psql --version && node --input-type=module --eval " \
      const { readdirSync } = await import('node:fs'); \
      const programs = ['main.js', 'cli.js', 'schema-engine.js']; \
      for (const file of readdirSync('/opt/pgkeep/dist', { recursive: true })) { \
        if (!file.endsWith('.js') || file.endsWith('-process.js') || programs.includes(file)) continue; \
        await import('/opt/pgkeep/dist/' + file); \
      } \
      const { engineVersion } = await import('/opt/pgkeep/packages/prisma-schema-engine-bridge/dist/index.js'); \
      await engineVersion(); \
      const { loadModule } = await import('libpg-query'); \
      await loadModule(); \
      await import('age-encryption'); \
      await import('@nestjs/terminus'); \
      await import('@prisma/client/runtime/query_compiler_fast_bg.postgresql.mjs'); \
      await import('@prisma/client/runtime/query_compiler_fast_bg.postgresql.wasm-base64.mjs');"

# The place of the application's prisma/migrations (MIGRATIONS_DIR), and of its .env files.
WORKDIR /app
EXPOSE 3000
# On SIGTERM it reports "not ready", answers for READINESS_REFRESH_MS longer, then ends: give it 10 s or more.
STOPSIGNAL SIGTERM
# Liveness only: a database that is down must not get this container restarted.
HEALTHCHECK --interval=15s --timeout=5s --start-period=15s --retries=3 CMD ["node", "--eval", "const { PORT, HOST } = process.env; const host = !HOST || HOST === '0.0.0.0' ? '127.0.0.1' : HOST === '::' ? '[::1]' : HOST; fetch(`http://${host}:${PORT || 3000}/live`, { signal: AbortSignal.timeout(4000) }).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "/opt/pgkeep/dist/main.js"]
