/** A schema in which everything is awkward: names, keys, cycles, types. */
export const AWKWARD_SCHEMA = String.raw`
enum Mood {
  CALM
  CROSS
}

/// @pgkeep.subject
model Person {
  tenant    String  @map("Ten\"ant") @db.VarChar(10)
  number    BigInt  @map("nümber")
  email     String  @unique @db.VarChar(40) /// @pgkeep.personal(email)
  phone     String  @db.VarChar(12) /// @pgkeep.personal(phone)
  code      String  @unique @db.Char(10) /// @pgkeep.personal(digits)
  pin       Int     /// @pgkeep.personal(digits)
  salary    Decimal @db.Decimal(12, 2) /// @pgkeep.personal
  born      DateTime @db.Date /// @pgkeep.personal(year)
  seen      DateTime @db.Timestamptz(3) /// @pgkeep.personal(year)
  wakes     DateTime @db.Time(0) /// @pgkeep.personal(year)
  secret    Bytes   /// @pgkeep.personal(secret)
  photo     Bytes   /// @pgkeep.personal
  device    String  @unique @db.Uuid /// @pgkeep.personal(uuid)
  home      String  @db.VarChar(38) @unique /// @pgkeep.personal(url)
  address   String  @db.Inet /// @pgkeep.personal(ip)
  notes     Json    /// @pgkeep.personal(json)
  tagList   Json    @map("tag list") /// @pgkeep.personal(json)
  moods     Mood[]  /// @pgkeep.personal
  mood      Mood    /// @pgkeep.personal
  isHappy   Boolean /// @pgkeep.personal
  nickname  String? /// @pgkeep.personal
  maiden    String? /// @pgkeep.personal(name)
  motto     String? /// @pgkeep.personal(text)
  kept      String  /// @pgkeep.personal(keep)
  plain     String  /// @pgkeep.notPersonal
  managerTenant String? @map("manager tenant")
  managerNumber BigInt? @map("manager number")
  favouriteId   Int?
  deletedAt DateTime? @map("deleted at") @db.Timestamp(0)
  deletedBy String? @map("deleted by") @db.VarChar(5)
  updatedAt DateTime @updatedAt @map("updated at")

  manager   Person? @relation("manages", fields: [managerTenant, managerNumber], references: [tenant, number])
  team      Person[] @relation("manages")
  favourite Note? @relation("favourite", fields: [favouriteId], references: [id])
  notesOf   Note[] @relation("owned")

  @@id([tenant, number])
  @@map("People \"of\" Ünïty")
  @@schema("we\"ird")
}

model Note {
  id        Int    @id
  tenant    String @map("owner tenant") @db.VarChar(10)
  number    BigInt @map("owner number")
  text      String @unique @db.VarChar(30) /// @pgkeep.personal(text)
  replyToId Int?   @map("reply to")
  deletedAt DateTime? @map("deleted at") @db.Timestamptz(3)

  owner     Person @relation("owned", fields: [tenant, number], references: [tenant, number], onDelete: Cascade)
  replyTo   Note?  @relation("replies", fields: [replyToId], references: [id], onDelete: Cascade)
  replies   Note[] @relation("replies")
  fans      Person[] @relation("favourite")

  @@map("notes")
  @@schema("we\"ird")
}

/// Refers to people without belonging to them.
model Visit {
  id     Int     @id
  tenant String?
  number BigInt?
  noteId Int?
  person Person? @relation(fields: [tenant, number], references: [tenant, number], onDelete: Restrict)
  note   Note?   @relation(fields: [noteId], references: [id], onDelete: NoAction)

  @@map("visits")
}

/// @pgkeep.appendOnly
model Trail {
  id     Int @id
  tenant String?
  number BigInt?
  person Person? @relation(fields: [tenant, number], references: [tenant, number])

  @@map("trail")
}
`;

/** Its tables; `people` rows, of which the first is A 1, with notes that reply to each other. */
export const AWKWARD_TABLES = String.raw`
CREATE SCHEMA "we""ird";
CREATE TYPE "we""ird"."Mood" AS ENUM ('CALM', 'CROSS');
CREATE TABLE "we""ird"."People ""of"" Ünïty" (
  "Ten""ant" varchar(10) NOT NULL, "nümber" bigint NOT NULL, email varchar(40) NOT NULL UNIQUE CHECK (email LIKE '%@%'),
  phone varchar(12) NOT NULL, code char(10) NOT NULL UNIQUE, pin int NOT NULL, salary numeric(12, 2) NOT NULL,
  born date NOT NULL, seen timestamptz(3) NOT NULL, wakes time(0) NOT NULL, secret bytea NOT NULL, photo bytea NOT NULL,
  device uuid NOT NULL UNIQUE, home varchar(38) NOT NULL UNIQUE, address inet NOT NULL, notes jsonb NOT NULL, "tag list" json NOT NULL,
  moods "we""ird"."Mood"[] NOT NULL, mood "we""ird"."Mood" NOT NULL, "isHappy" bool NOT NULL, nickname text, maiden text, motto text, kept text NOT NULL,
  plain text NOT NULL, "manager tenant" varchar(10), "manager number" bigint, "favouriteId" int,
  "deleted at" timestamp(0), "deleted by" varchar(5), "updated at" timestamp(3) NOT NULL DEFAULT now(),
  PRIMARY KEY ("Ten""ant", "nümber"),
  FOREIGN KEY ("manager tenant", "manager number") REFERENCES "we""ird"."People ""of"" Ünïty" ON DELETE SET NULL);
CREATE TABLE "we""ird".notes (
  id int PRIMARY KEY, "owner tenant" varchar(10) NOT NULL, "owner number" bigint NOT NULL, text varchar(30) NOT NULL UNIQUE,
  "reply to" int REFERENCES "we""ird".notes ON DELETE CASCADE, "deleted at" timestamptz(3),
  FOREIGN KEY ("owner tenant", "owner number") REFERENCES "we""ird"."People ""of"" Ünïty" ON DELETE CASCADE);
ALTER TABLE "we""ird"."People ""of"" Ünïty" ADD FOREIGN KEY ("favouriteId") REFERENCES "we""ird".notes ON DELETE SET NULL;
CREATE TABLE visits (id int PRIMARY KEY, tenant varchar(10), number bigint, "noteId" int REFERENCES "we""ird".notes,
  FOREIGN KEY (tenant, number) REFERENCES "we""ird"."People ""of"" Ünïty");
CREATE TABLE trail (id int PRIMARY KEY, tenant varchar(10), number bigint,
  FOREIGN KEY (tenant, number) REFERENCES "we""ird"."People ""of"" Ünïty" ON DELETE SET NULL);
INSERT INTO "we""ird"."People ""of"" Ünïty"
SELECT t, 9007199254740992 + i, t || i || '@example.org', '+62 81' || i, lpad(i::text, 9, '7') || (t = 'A')::int, 4711 + i, 1234.50 + i, ('1971-08-' || i)::date, '2026-03-04 05:06:07Z'::timestamptz, '07:30'::time,
  '\x00ff', '\xcafe', gen_random_uuid(), 'https://example.org/' || t || i, '10.0.0.1', '{"blood": "0+"}', '["a", "b"]', '{CROSS}', 'CROSS', true,
  'nick', NULL, 'carpe diem', 'kept', 'plain', CASE WHEN i > 1 THEN t END, CASE WHEN i > 1 THEN 9007199254740993 END
  FROM unnest(ARRAY['A', 'it''s']) t, generate_series(1, 3) i;
INSERT INTO "we""ird".notes SELECT i, CASE WHEN i < 5 THEN 'A' ELSE 'it''s' END, 9007199254740993, 'note ' || i, NULLIF(i % 4, 0) FROM generate_series(1, 8) i;
UPDATE "we""ird"."People ""of"" Ünïty" SET "favouriteId" = 2;
`;
