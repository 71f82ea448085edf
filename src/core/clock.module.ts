import { Module } from '@nestjs/common';
import { Clock, SystemClock } from './clock.js';

// Apart from the clock, because `pgkeep/client` loads nothing of Nest.
@Module({ providers: [{ provide: Clock, useClass: SystemClock }], exports: [Clock] })
export class ClockModule {}
