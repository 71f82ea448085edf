// An application as in Nest's documentation: Express, Terminus and an indicator that sends `SELECT 1` at every
// probe. Decorators are applied by hand, because plain JavaScript has no syntax for them yet.
import 'reflect-metadata';
import { Controller, Get, Inject, Injectable, Module } from '@nestjs/common';
import nodeModule from 'node:module';
import { NestFactory } from '@nestjs/core';
import { HealthCheck, HealthCheckService, HealthIndicatorService, TerminusModule } from '@nestjs/terminus';
import pg from 'pg';

const { PORT, HOST, DATABASE_URL } = process.env;

class DatabaseIndicator {
  /** @param {HealthIndicatorService} indicators */
  constructor(indicators) {
    this.indicators = indicators;
    this.pool = new pg.Pool({ connectionString: DATABASE_URL, application_name: 'stock app' });
  }

  /** @param {string} key */
  async isHealthy(key) {
    const indicator = this.indicators.check(key);
    try {
      await this.pool.query('SELECT 1');
      return indicator.up();
    } catch {
      return indicator.down();
    }
  }
}
Injectable()(DatabaseIndicator);
Inject(HealthIndicatorService)(DatabaseIndicator, undefined, 0);

class HealthController {
  /**
   * @param {HealthCheckService} health
   * @param {DatabaseIndicator} database
   */
  constructor(health, database) {
    this.health = health;
    this.database = database;
  }

  async check() {
    return await this.health.check([() => this.database.isHealthy('database')]);
  }
}
Inject(HealthCheckService)(HealthController, undefined, 0);
Inject(DatabaseIndicator)(HealthController, undefined, 1);
const check = Object.getOwnPropertyDescriptor(HealthController.prototype, 'check') ?? {};
HealthCheck()(HealthController.prototype, 'check', check);
Get()(HealthController.prototype, 'check', check);
Controller('health')(HealthController);

// oxlint-disable-next-line typescript/no-extraneous-class
class AppModule {}
Module({ imports: [TerminusModule], controllers: [HealthController], providers: [DatabaseIndicator] })(
  AppModule,
);

const app = await NestFactory.create(AppModule, { logger: false });
await app.listen(Number(PORT), HOST ?? '');
// Like pgkeep: Node.js itself writes its compile cache only when the process ends, and the bench kills it.
if ('flushCompileCache' in nodeModule && typeof nodeModule.flushCompileCache === 'function')
  nodeModule.flushCompileCache();
