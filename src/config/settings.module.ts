import { ConfigurableModuleBuilder, Module, type DynamicModule } from '@nestjs/common';
import { withPassword, type PasswordCallback } from './password-source.js';
import type { Settings } from './settings.js';
import { SETTINGS } from './settings.token.js';

/**
 * Nest's own builder of `forRoot(settings)` and `forRootAsync({ useFactory, useClass, useExisting, inject, imports })`.
 * A class that makes the settings has a method `createSettings()`.
 */
export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<Settings>({ moduleName: 'Pgkeep' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createSettings')
    .build();

/** How an importing application makes the settings from its own providers. */
export type AsyncSettings = typeof ASYNC_OPTIONS_TYPE;

/** Provides the settings to every module. Global, so that no module has to name where they come from. */
@Module({})
export class SettingsModule {
  /**
   * @param definition what the builder made: the settings as the application gave them
   * @param password gives the password of each new connection to a URL that holds none
   */
  static of(definition: DynamicModule, password: PasswordCallback | undefined): DynamicModule {
    const settings = {
      provide: SETTINGS,
      inject: [MODULE_OPTIONS_TOKEN],
      useFactory: (given: Settings) => withPassword(given, password),
    };
    return {
      module: SettingsModule,
      global: true,
      imports: definition.imports ?? [],
      providers: [...(definition.providers ?? []), settings],
      exports: [SETTINGS],
    };
  }
}
