import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { createClinicClient } from './clinic-client.js';
import { ClinicModule } from './clinic.module.js';

const app = await NestFactory.create(ClinicModule.forRoot(createClinicClient()));
// SIGTERM and SIGINT close the server first, then the connections, which finish what runs.
app.enableShutdownHooks();
await app.listen(process.env['CLINIC_PORT'] ?? 3001, '127.0.0.1');
new Logger('Clinic').log(`The clinic listens on ${await app.getUrl()}`);
