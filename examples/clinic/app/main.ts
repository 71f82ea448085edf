import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { PgkeepError } from 'pgkeep/client';
import { createClinicClient } from './clinic-client.js';
import { ClinicModule } from './clinic.module.js';

const logger = new Logger('Clinic');
try {
  const app = await NestFactory.create(ClinicModule.forRoot(createClinicClient()));
  // SIGTERM and SIGINT close the server first, then the connections, which finish what runs.
  app.enableShutdownHooks();
  await app.listen(process.env['CLINIC_PORT'] ?? 3001, '127.0.0.1');
  logger.log(`The clinic listens on ${await app.getUrl()}`);
} catch (error) {
  // The database cannot be reached, or a setting is wrong: what to do is in the hint.
  if (!(error instanceof PgkeepError)) throw error;
  logger.error([error.message, error.hint].join('\n'));
  process.exitCode = 1;
}
