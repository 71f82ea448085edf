import { Module } from '@nestjs/common';
import { DatabaseModule } from '../postgres/database.module.js';
import { ChangelogService } from './changelog.service.js';

@Module({ imports: [DatabaseModule], providers: [ChangelogService], exports: [ChangelogService] })
export class ChangelogModule {}
