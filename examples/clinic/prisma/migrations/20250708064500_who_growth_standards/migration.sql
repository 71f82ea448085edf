-- CreateEnum
CREATE TYPE "GrowthIndicator" AS ENUM ('WEIGHT_FOR_AGE', 'HEIGHT_FOR_AGE');

-- CreateTable
CREATE TABLE "who_growth_standards" (
    "id" SERIAL NOT NULL,
    "indicator" "GrowthIndicator" NOT NULL,
    "sex" "Sex" NOT NULL,
    "age_months" SMALLINT NOT NULL,
    "lambda" DECIMAL(7,4) NOT NULL,
    "median" DECIMAL(8,4) NOT NULL,
    "sigma" DECIMAL(7,5) NOT NULL,
    "sd_neg3" DECIMAL(6,2) NOT NULL,
    "sd_neg2" DECIMAL(6,2) NOT NULL,
    "sd_neg1" DECIMAL(6,2) NOT NULL,
    "sd0" DECIMAL(6,2) NOT NULL,
    "sd_pos1" DECIMAL(6,2) NOT NULL,
    "sd_pos2" DECIMAL(6,2) NOT NULL,
    "sd_pos3" DECIMAL(6,2) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "who_growth_standards_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "who_growth_standards_indicator_sex_age_months_key" ON "who_growth_standards"("indicator", "sex", "age_months");

-- Reference data is read-only: rows may be added, never changed or removed. Statement level, so that even
-- a statement that would match no row is refused, and TRUNCATE with it.
CREATE FUNCTION "who_growth_standards_refuse_change"() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
  RAISE EXCEPTION '% on % is refused: WHO growth standards are read-only reference data', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation',
          HINT = 'Publish a correction as a reviewed migration that disables this trigger for its own duration.';
END;
$$;

CREATE TRIGGER "who_growth_standards_read_only"
BEFORE UPDATE OR DELETE OR TRUNCATE ON "who_growth_standards"
FOR EACH STATEMENT EXECUTE FUNCTION "who_growth_standards_refuse_change"();
