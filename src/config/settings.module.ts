import { Module, type DynamicModule, type FactoryProvider, type ModuleMetadata } from '@nestjs/common';
import { withPassword, type PasswordCallback } from './password-source.js';
import type { Settings } from './settings.js';
import { SETTINGS } from './settings.token.js';

/** How an importing application makes the settings from its own providers. */
export interface AsyncSettings extends Pick<ModuleMetadata, 'imports'> {
  readonly inject?: FactoryProvider['inject'];
  readonly useFactory: FactoryProvider<Settings>['useFactory'];
  /** As `ModuleOptions.password`. */
  readonly password?: PasswordCallback | undefined;
}

/** What an application gives the module beside the settings. */
export interface ModuleOptions {
  /**
   * Gives the password for each new connection to the guarded database and its replica, wherever the URL holds none:
   * a cloud's token, which expires.
   */
  readonly password?: PasswordCallback | undefined;
}

/** Hands the settings to every room. Global, so that no room has to name where they come from. */
@Module({})
export class SettingsModule {
  static of(settings: Settings, { password }: ModuleOptions = {}): DynamicModule {
    return this.ofAsync({ useFactory: () => settings, password });
  }

  static ofAsync({ imports = [], inject = [], useFactory: given, password }: AsyncSettings): DynamicModule {
    const useFactory: AsyncSettings['useFactory'] = async (...injected) =>
      withPassword(await given(...injected), password);
    return {
      module: SettingsModule,
      global: true,
      imports,
      providers: [{ provide: SETTINGS, inject, useFactory }],
      exports: [SETTINGS],
    };
  }
}
