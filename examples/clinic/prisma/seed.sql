-- The clinic's sample data. All people are invented: names are combined from lists, e-mail addresses end in
-- .example, phone and identity numbers use prefixes that are not issued, and no password hash can match.
--
-- The growth curves are smooth approximations invented for this sample. They resemble the WHO's but are
-- NOT the WHO's: illustrative only, never for clinical use.
--
-- Deterministic: "chance" comes from md5(key), dates from the constant last_day. Idempotent: a database that
-- already has a district is not changed. One DO statement writes all rows, so that it is all or nothing in any
-- client.

-- A repeatable number in [0, 1) for a key.
CREATE OR REPLACE FUNCTION pg_temp.chance(key text) RETURNS double precision
LANGUAGE sql IMMUTABLE AS $$
  SELECT ('x' || left(md5(key), 8))::bit(32)::bigint / 4294967296::double precision
$$;

-- A repeatable element of a list.
CREATE OR REPLACE FUNCTION pg_temp.pick(list text[], key text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT list[1 + floor(pg_temp.chance(key) * cardinality(list))::int]
$$;

-- A repeatable, roughly normal deviate: mean 0, deviation 1, never beyond 3.
CREATE OR REPLACE FUNCTION pg_temp.deviate(key text) RETURNS double precision
LANGUAGE sql IMMUTABLE AS $$
  SELECT (pg_temp.chance(key || '/a') + pg_temp.chance(key || '/b') + pg_temp.chance(key || '/c') - 1.5) * 2
$$;

-- The value at z standard deviations: M * (1 + L * S * z) ^ (1 / L).
CREATE OR REPLACE FUNCTION pg_temp.lms_value(l double precision, m double precision, s double precision, z double precision)
RETURNS double precision
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN abs(l) < 1e-6 THEN m * exp(s * z) ELSE m * power(1 + l * s * z, 1 / l) END
$$;

-- Illustrative L, M and S at an age t in months: fast growth that fades, then a steady slope.
CREATE OR REPLACE FUNCTION pg_temp.growth_curve(
  indicator text, sex text, t double precision,
  OUT l double precision, OUT m double precision, OUT s double precision
)
LANGUAGE sql IMMUTABLE AS $$
  SELECT
    CASE indicator || ' ' || sex
      WHEN 'WEIGHT_FOR_AGE MALE' THEN 0.70 * exp(-t / 18) - 0.35
      WHEN 'WEIGHT_FOR_AGE FEMALE' THEN 0.80 * exp(-t / 10) - 0.42
      ELSE 1
    END,
    CASE indicator || ' ' || sex
      WHEN 'WEIGHT_FOR_AGE MALE' THEN 3.35 + 0.171 * t + 4.6 * (1 - exp(-t / 4.2))
      WHEN 'WEIGHT_FOR_AGE FEMALE' THEN 3.23 + 0.187 * t + 3.8 * (1 - exp(-t / 4.2))
      WHEN 'HEIGHT_FOR_AGE MALE' THEN 49.9 + 0.620 * t + 22.9 * (1 - exp(-t / 6.5))
      WHEN 'HEIGHT_FOR_AGE FEMALE' THEN 49.1 + 0.635 * t + 22.2 * (1 - exp(-t / 6.5))
    END,
    CASE indicator || ' ' || sex
      WHEN 'WEIGHT_FOR_AGE MALE' THEN 0.110 + 0.036 * exp(-t / 2) + 0.00050 * t
      WHEN 'WEIGHT_FOR_AGE FEMALE' THEN 0.120 + 0.022 * exp(-t / 2) + 0.00060 * t
      ELSE 0.031 + 0.007 * exp(-t / 2) + 0.00018 * t
    END
$$;

DO $$
DECLARE
  last_day CONSTANT date := '2026-10-31';
  zone CONSTANT text := 'Asia/Jakarta';
  -- The day the clinic started to work with this system, and the day of its first screening.
  opening CONSTANT timestamptz := '2025-03-12 08:00:00+07';
  first_month CONSTANT timestamp := '2025-06-01';

  district_names CONSTANT text[] := '{Sukamaju,Mekarsari,Tirtajaya,Wanasari,Karangmulya,Cibunga}';
  village_names CONSTANT text[] := '{Sukamulya,Sukarame,Margahayu,Margasari,Mekarjaya,Mekarwangi,Cempakasari,Sindangsari,'
    'Tirtamulya,Tirtawangi,Kalijati,Sumberjaya,Wanajaya,Wanamukti,Pasirjati,Pasirhuni,'
    'Karanganyar,Karangsari,Jatimulya,Jatiwangi,Cibadak,Cikondang,Cijambe,Cisalada}';
  flowers CONSTANT text[] := '{Melati,Mawar,Anggrek,Kenanga,Dahlia,Flamboyan,Cempaka,Teratai,Kamboja,Bougenville,Seruni,Tulip}';
  streets CONSTANT text[] := '{Jl. Merdeka,Jl. Pahlawan,Jl. Diponegoro,Jl. Kartini,Jl. Mangga,Jl. Kenari,Jl. Sawah Lega,Gg. Damai,Gg. Mesjid,Kp. Cikole}';
  women CONSTANT text[] := '{Siti,Dewi,Rina,Ayu,Nurul,Fitri,Wulan,Ratna,Yuni,Lestari,Indah,Maya,Eka,Putri,Sri,Ani,Nia,Rahma,Tuti,Dian}';
  men CONSTANT text[] := '{Budi,Agus,Andi,Dedi,Eko,Hendra,Iwan,Joko,Rudi,Slamet,Wahyu,Yusuf,Asep,Ujang,Bayu,Fajar,Rizky,Taufik,Dimas,Arif}';
  girls CONSTANT text[] := '{Aisyah,Nayla,Kirana,Zahra,Alya,Salsabila,Citra,Bunga,Intan,Melati,Nadia,Syifa,Khansa,Tiara,Anindya,Laras,Hana,Queena,Rania,Safira}';
  boys CONSTANT text[] := '{Muhammad,Rafi,Arka,Fathan,Bima,Raka,Galang,Rizki,Alif,Zidan,Kenzo,Dafa,Ilham,Naufal,Reyhan,Satria,Abimanyu,Farel,Gibran,Azka}';
  surnames CONSTANT text[] := '{Rahayu,Saputra,Wijaya,Hidayat,Kusuma,Pratama,Permana,Nugraha,Setiawan,Suryani,Maulana,Ramadhan,Gunawan,Firmansyah,Wulandari,Santoso,Hartono,Sutrisno,Anggraini,Handayani,Puspita,Lesmana,Supriatna,Herlina,Kurniawan}';

  -- Users 1-4 administrators, 5-24 puskesmas, 25-60 one for each posyandu, 61-760 parents.
  district_count CONSTANT int := 6;
  village_count CONSTANT int := 24;
  posyandu_count CONSTANT int := 36;
  staff_count CONSTANT int := 60;
  parent_count CONSTANT int := 700;
  -- The last ten parents are expecting and have no child here yet.
  first_born_count CONSTANT int := 690;
  child_count CONSTANT int := 1000;

  table_name text;
BEGIN
  IF EXISTS (SELECT FROM districts) THEN
    RAISE NOTICE 'seed: the database has districts already, nothing to do';
    RETURN;
  END IF;

  -- ------------------------------------------------------------------ locations
  INSERT INTO districts (id, code, name, created_at, updated_at)
  SELECT d, format('99.01.%s', lpad(d::text, 2, '0')), district_names[d], opening, opening
  FROM generate_series(1, district_count) AS d;

  INSERT INTO villages (id, district_id, code, name, created_at, updated_at)
  SELECT v, district, format('99.01.%s.20%s', lpad(district::text, 2, '0'), lpad(v::text, 2, '0')), village_names[v], opening, opening
  FROM generate_series(1, village_count) AS v, LATERAL (SELECT 1 + (v - 1) / 4 AS district) AS home;

  INSERT INTO posyandus (id, village_id, name, address, opened_on, created_at, updated_at)
  SELECT
    p,
    1 + (p - 1) % village_count,
    format('Posyandu %s %s', flowers[1 + (p * 5) % cardinality(flowers)], 1 + (p - 1) / village_count),
    format('RW %s, %s', lpad((1 + p % 9)::text, 2, '0'), village_names[1 + (p - 1) % village_count]),
    date '2008-01-15' + floor(pg_temp.chance('opened ' || p) * 5500)::int,
    opening,
    opening
  FROM generate_series(1, posyandu_count) AS p;

  -- ------------------------------------------------------------------ accounts
  INSERT INTO users (id, email, password_hash, full_name, phone, role, status, posyandu_id, created_at, updated_at)
  SELECT
    u,
    format('%s.%s@klinik.example', lower(given), u),
    '!unusable-placeholder',
    given || ' ' || pg_temp.pick(surnames, 'surname ' || u),
    '+62000' || lpad(u::text, 7, '0'),
    role::"UserRole",
    'ACTIVE',
    CASE role WHEN 'POSYANDU' THEN u - 24 END,
    opening + u * interval '4 minutes',
    opening + u * interval '4 minutes'
  FROM generate_series(1, staff_count) AS u,
    LATERAL (SELECT CASE WHEN u <= 4 THEN 'ADMIN' WHEN u <= 24 THEN 'PUSKESMAS' ELSE 'POSYANDU' END AS role) AS post,
    LATERAL (
      SELECT pg_temp.pick(CASE WHEN pg_temp.chance('staff sex ' || u) < 0.8 THEN women ELSE men END, 'given ' || u) AS given
    ) AS name;

  -- A parent joins on a day between April 2025 and July 2026, most of them early.
  INSERT INTO users (id, email, password_hash, full_name, phone, role, status, created_at, updated_at)
  SELECT
    staff_count + p,
    format('%s.%s@keluarga.example', lower(given), staff_count + p),
    '!unusable-placeholder',
    given || ' ' || pg_temp.pick(surnames, 'surname ' || staff_count + p),
    '+62000' || lpad((staff_count + p)::text, 7, '0'),
    'PARENT',
    CASE WHEN pg_temp.chance('pending ' || p) < 0.03 THEN 'PENDING' ELSE 'ACTIVE' END::"UserStatus",
    joined,
    joined
  FROM generate_series(1, parent_count) AS p,
    LATERAL (
      SELECT pg_temp.pick(CASE WHEN pg_temp.chance('parent sex ' || p) < 0.88 THEN women ELSE men END, 'parent ' || p) AS given
    ) AS name,
    LATERAL (
      SELECT (date '2025-04-07' + floor(power(pg_temp.chance('joined ' || p), 2) * 480)::int
        + time '08:00' + floor(pg_temp.chance('joined at ' || p) * 420) * interval '1 minute') AT TIME ZONE zone AS joined
    ) AS registration;

  INSERT INTO parents (id, user_id, village_id, national_id, birth_date, address, created_at, updated_at)
  SELECT
    p,
    account.id,
    1 + floor(pg_temp.chance('posyandu ' || p) * posyandu_count)::int % village_count,
    '9901' || lpad((p * 7919)::text, 12, '0'),
    date '1982-01-01' + floor(pg_temp.chance('parent born ' || p) * 8000)::int,
    format('%s No. %s, RT %s', pg_temp.pick(streets, 'street ' || p), 1 + p % 120, lpad((1 + p % 12)::text, 2, '0')),
    account.created_at,
    account.created_at
  FROM generate_series(1, parent_count) AS p JOIN users AS account ON account.id = staff_count + p;

  -- ------------------------------------------------------------------ patients
  -- Children 1-690 are the first of parents 1-690; the others are brothers and sisters, 18 to 28 months apart.
  INSERT INTO children (id, child_uuid, parent_id, registered_by_id, posyandu_id, full_name, sex, birth_date,
    birth_weight_kg, birth_length_cm, created_at, updated_at)
  SELECT
    c,
    md5('child ' || c)::uuid::text,
    family.parent,
    24 + home.posyandu,
    home.posyandu,
    CASE sex WHEN 'FEMALE' THEN pg_temp.pick(girls, 'child ' || c) ELSE pg_temp.pick(boys, 'child ' || c) END
      || ' ' || pg_temp.pick(surnames, 'child surname ' || c),
    sex::"Sex",
    born,
    round(pg_temp.lms_value(w.l, w.m, w.s, -0.4 + 0.8 * pg_temp.deviate('birth weight ' || c))::numeric, 2),
    round(pg_temp.lms_value(h.l, h.m, h.s, -0.4 + 0.8 * pg_temp.deviate('birth length ' || c))::numeric, 1),
    greatest(account.created_at, (born + 3 + time '09:30') AT TIME ZONE zone),
    greatest(account.created_at, (born + 3 + time '09:30') AT TIME ZONE zone)
  FROM generate_series(1, child_count) AS c,
    LATERAL (
      SELECT CASE WHEN c <= first_born_count THEN c ELSE 1 + (c - first_born_count) * 7 % first_born_count END AS parent
    ) AS family
    JOIN parents ON parents.id = family.parent
    JOIN users AS account ON account.id = parents.user_id,
    LATERAL (SELECT 1 + floor(pg_temp.chance('posyandu ' || family.parent) * posyandu_count)::int AS posyandu) AS home,
    LATERAL (SELECT CASE WHEN pg_temp.chance('sex ' || c) < 0.49 THEN 'FEMALE' ELSE 'MALE' END AS sex) AS person,
    LATERAL (
      SELECT 7 + floor(pg_temp.chance('age ' || family.parent) * 1780)::int AS first_age,
        550 + floor(pg_temp.chance('gap ' || c) * 300)::int AS gap
    ) AS ages,
    LATERAL (
      SELECT last_day - CASE WHEN c <= first_born_count THEN first_age
        WHEN first_age < 900 THEN first_age + gap ELSE first_age - gap END AS born
    ) AS birth,
    LATERAL pg_temp.growth_curve('WEIGHT_FOR_AGE', sex, 0) AS w,
    LATERAL pg_temp.growth_curve('HEIGHT_FOR_AGE', sex, 0) AS h;

  -- ------------------------------------------------------------------ soft deletes
  -- A member of staff is suspended, another has left, four families moved away (parents 691 and 692 without
  -- children), and two children were registered twice.
  UPDATE users SET status = 'SUSPENDED', updated_at = '2026-05-04 10:00+07' WHERE id = 23;

  UPDATE users SET status = 'SUSPENDED', deleted_at = moved, updated_at = moved, deleted_by = 'admin 1'
  FROM (VALUES
    (24, timestamptz '2026-07-01 09:00+07'),
    (staff_count + 120, '2026-08-11 09:10+07'),
    (staff_count + 355, '2026-10-20 13:40+07'),
    (staff_count + 691, '2026-08-25 11:00+07'),
    (staff_count + 692, '2026-10-22 10:20+07')
  ) AS leaving (user_id, moved)
  WHERE users.id = leaving.user_id;

  UPDATE parents SET deleted_at = account.deleted_at, updated_at = account.deleted_at, deleted_by = account.deleted_by
  FROM users AS account
  WHERE account.id = parents.user_id AND account.deleted_at IS NOT NULL;

  UPDATE children SET deleted_at = '2026-09-02 08:45+07', updated_at = '2026-09-02 08:45+07', deleted_by = 'admin 2'
  WHERE id IN (640, 655);

  -- ------------------------------------------------------------------ medical records
  -- Every posyandu opens on its own day of the month. A child follows its own percentile, a little below the
  -- median and drifting slowly; about one in four of the possible visits takes place.
  INSERT INTO sessions (id, child_id, examiner_id, posyandu_id, status, examined_at, age_months, weight_kg,
    height_cm, diagnosis, created_at, updated_at)
  SELECT
    row_number() OVER (ORDER BY examined_at, child.id),
    child.id,
    4 + villages.district_id + district_count * floor(pg_temp.chance('examiner ' || visit.key) * 3)::int,
    child.posyandu_id,
    outcome.status::"SessionStatus",
    examined_at,
    extract(year FROM age(day, child.birth_date)) * 12 + extract(month FROM age(day, child.birth_date)),
    round(pg_temp.lms_value(w.l, w.m, w.s, weight_z)::numeric, 2),
    round(pg_temp.lms_value(h.l, h.m, h.s, height_z)::numeric, 1),
    CASE
      WHEN outcome.status = 'IN_PROGRESS' THEN NULL
      WHEN weight_z < -3 THEN 'Severely underweight'
      WHEN weight_z < -2 THEN 'Underweight'
      WHEN height_z < -2 THEN 'Stunted, weight normal'
      WHEN weight_z > 2 THEN 'Possible risk of overweight'
      ELSE 'Normal growth'
    END,
    examined_at,
    examined_at + CASE WHEN outcome.status = 'IN_PROGRESS' THEN interval '0' ELSE interval '12 minutes' END
  FROM children AS child
    JOIN parents ON parents.id = child.parent_id
    JOIN posyandus ON posyandus.id = child.posyandu_id
    JOIN villages ON villages.id = posyandus.village_id
    CROSS JOIN generate_series(first_month, last_day, interval '1 month') AS month
    CROSS JOIN LATERAL (
      SELECT month::date + (child.posyandu_id * 7) % 27 AS day, format('%s in %s', child.id, to_char(month, 'YYYY-MM')) AS key
    ) AS visit
    CROSS JOIN LATERAL (
      SELECT (day + time '08:00' + floor(pg_temp.chance('minute ' || visit.key) * 210) * interval '1 minute') AT TIME ZONE zone AS examined_at,
        (day - child.birth_date) / 30.4375 AS age_exact
    ) AS moment
    CROSS JOIN LATERAL (
      SELECT
        greatest(-3.4, least(3, -0.6 + 0.9 * pg_temp.deviate('weight ' || child.id) + 0.10 * pg_temp.deviate('weight ' || visit.key))) AS weight_z,
        greatest(-3.4, least(3, -0.9 + 0.9 * pg_temp.deviate('height ' || child.id) + 0.04 * pg_temp.deviate('height ' || visit.key))) AS height_z
    ) AS track
    CROSS JOIN LATERAL pg_temp.growth_curve('WEIGHT_FOR_AGE', child.sex::text, age_exact) AS w
    CROSS JOIN LATERAL pg_temp.growth_curve('HEIGHT_FOR_AGE', child.sex::text, age_exact) AS h
    CROSS JOIN LATERAL (
      SELECT CASE
        WHEN day > last_day - 7 AND pg_temp.chance('open ' || visit.key) < 0.3 THEN 'IN_PROGRESS'
        WHEN weight_z < -2.3 THEN 'REFERRED'
        ELSE 'COMPLETED'
      END AS status
    ) AS outcome
  WHERE day <= last_day
    AND day >= child.birth_date + 14
    AND examined_at > child.created_at
    AND examined_at < coalesce(child.deleted_at, parents.deleted_at, 'infinity')
    AND pg_temp.chance('visit ' || visit.key) < 0.31;

  -- Danger signs are asked of every child, illness in every finished screening, then the questions that follow.
  INSERT INTO session_quiz_steps (id, session_id, step_number, question_code, answer, answered_at, created_at)
  SELECT
    row_number() OVER (ORDER BY session.id, step.number),
    session.id,
    step.number,
    step.question,
    step.answer,
    session.examined_at + step.number * interval '2 minutes',
    session.examined_at + step.number * interval '2 minutes'
  FROM sessions AS session
    CROSS JOIN LATERAL (
      SELECT CASE
        WHEN pg_temp.chance('illness ' || session.id) < 0.80 THEN 'NONE'
        WHEN pg_temp.chance('illness ' || session.id) < 0.90 THEN 'COUGH'
        WHEN pg_temp.chance('illness ' || session.id) < 0.96 THEN 'FEVER'
        ELSE 'DIARRHOEA'
      END AS illness
    ) AS history
    CROSS JOIN LATERAL (
      VALUES
        (1, 'DANGER_SIGNS', CASE WHEN session.status = 'REFERRED' AND pg_temp.chance('danger ' || session.id) < 0.3 THEN 'YES' ELSE 'NO' END, true),
        (2, 'RECENT_ILLNESS', illness, session.status <> 'IN_PROGRESS'),
        (3, 'APPETITE', CASE WHEN pg_temp.chance('appetite ' || session.id) < 0.7 THEN 'GOOD' ELSE 'POOR' END, session.status = 'REFERRED'),
        (4, 'DECISION', 'REFER_TO_PUSKESMAS', session.status = 'REFERRED')
    ) AS step (number, question, answer, asked)
  WHERE step.asked;

  -- Three screenings were entered for the wrong child.
  UPDATE sessions SET deleted_at = '2026-09-15 14:30+07', updated_at = '2026-09-15 14:30+07', deleted_by = 'admin 2'
  WHERE id IN (500, 1200, 1900);

  -- ------------------------------------------------------------------ reference data (illustrative numbers)
  INSERT INTO who_growth_standards (id, indicator, sex, age_months, lambda, median, sigma,
    sd_neg3, sd_neg2, sd_neg1, sd0, sd_pos1, sd_pos2, sd_pos3, created_at)
  SELECT
    row_number() OVER (ORDER BY indicator, sex, month),
    indicator::"GrowthIndicator",
    sex::"Sex",
    month,
    l, m, s,
    round(pg_temp.lms_value(l, m, s, -3)::numeric, 2),
    round(pg_temp.lms_value(l, m, s, -2)::numeric, 2),
    round(pg_temp.lms_value(l, m, s, -1)::numeric, 2),
    round(pg_temp.lms_value(l, m, s, 0)::numeric, 2),
    round(pg_temp.lms_value(l, m, s, 1)::numeric, 2),
    round(pg_temp.lms_value(l, m, s, 2)::numeric, 2),
    round(pg_temp.lms_value(l, m, s, 3)::numeric, 2),
    opening
  FROM unnest('{WEIGHT_FOR_AGE,HEIGHT_FOR_AGE}'::text[]) AS indicator
    CROSS JOIN unnest('{FEMALE,MALE}'::text[]) AS sex
    CROSS JOIN generate_series(0, 60) AS month
    CROSS JOIN LATERAL pg_temp.growth_curve(indicator, sex, month);

  -- Identifiers were assigned above: the sequences continue after them.
  FOREACH table_name IN ARRAY '{districts,villages,posyandus,users,parents,children,sessions,session_quiz_steps,who_growth_standards}'::text[] LOOP
    EXECUTE format('SELECT setval(pg_get_serial_sequence(%L, ''id''), (SELECT max(id) FROM %I))', table_name, table_name);
  END LOOP;
END;
$$;

DROP FUNCTION pg_temp.growth_curve(text, text, double precision);
DROP FUNCTION pg_temp.lms_value(double precision, double precision, double precision, double precision);
DROP FUNCTION pg_temp.deviate(text);
DROP FUNCTION pg_temp.pick(text[], text);
DROP FUNCTION pg_temp.chance(text);
