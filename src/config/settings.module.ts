import { Module, type DynamicModule, type FactoryProvider, type ModuleMetadata } from '@nestjs/common';
import type { Settings } from './settings.js';
import { SETTINGS } from './settings.token.js';

/** How an importing application makes the settings from its own providers. */
export interface AsyncSettings extends Pick<ModuleMetadata, 'imports'> {
  readonly inject?: FactoryProvider['inject'];
  readonly useFactory: FactoryProvider<Settings>['useFactory'];
}

/** Hands the settings to every room. Global, so that no room has to name where they come from. */
@Module({})
export class SettingsModule {
  static of(settings: Settings): DynamicModule {
    return this.ofAsync({ useFactory: () => settings });
  }

  static ofAsync({ imports = [], inject = [], useFactory }: AsyncSettings): DynamicModule {
    return {
      module: SettingsModule,
      global: true,
      imports,
      providers: [{ provide: SETTINGS, inject, useFactory }],
      exports: [SETTINGS],
    };
  }
}
