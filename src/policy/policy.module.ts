import { Module } from '@nestjs/common';
import { DatabaseModule } from '../postgres/database.module.js';
import { PolicyService } from './policy.service.js';

@Module({ imports: [DatabaseModule], providers: [PolicyService], exports: [PolicyService] })
export class PolicyModule {}
