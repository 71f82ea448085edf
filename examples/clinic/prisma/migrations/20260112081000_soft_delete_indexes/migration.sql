-- Finds the records whose grace period is over, and keeps the live ones apart.
SET lock_timeout = '5s';

-- CreateIndex
CREATE INDEX "posyandus_deleted_at_idx" ON "posyandus"("deleted_at");

-- CreateIndex
CREATE INDEX "users_deleted_at_idx" ON "users"("deleted_at");

-- CreateIndex
CREATE INDEX "parents_deleted_at_idx" ON "parents"("deleted_at");

-- CreateIndex
CREATE INDEX "children_deleted_at_idx" ON "children"("deleted_at");

-- CreateIndex
CREATE INDEX "sessions_deleted_at_idx" ON "sessions"("deleted_at");
