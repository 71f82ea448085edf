import { Module } from '@nestjs/common';
import { DatabaseModule } from '../database/database.module.js';
import { ChangelogService } from './changelog.service.js';

@Module({ imports: [DatabaseModule], providers: [ChangelogService], exports: [ChangelogService] })
export class ChangelogModule {}
