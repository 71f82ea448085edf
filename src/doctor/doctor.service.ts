import { Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import type { DoctorOptions, DoctorReport } from './doctor.types.js';

/** Checks the checklists of the database guides, line by line. Changes nothing. */
@Injectable()
export class DoctorService {
  constructor(private readonly services: ModuleRef) {}

  /**
   * Checks every line. What a line finds, an error included, is its result.
   * @throws the signal's reason when `options.signal` is aborted.
   */
  async examine(options: DoctorOptions): Promise<DoctorReport> {
    // Loaded only here: a service that starts examines nothing, and each file costs its start.
    const { Examination } = await import('./examination.js');
    const examination = await Examination.open(this.services);
    return await examination.run(options);
  }
}
