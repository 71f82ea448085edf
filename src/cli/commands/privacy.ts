import type { INestApplicationContext } from '@nestjs/common';
import { type Command, InvalidArgumentError, type OptionValues } from 'commander';
import { operator } from '../../audit-log/append.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { PgkeepError } from '../../core/errors.js';
import type { ActionOptions, ActionRequest, Receipt, RecordName } from '../../privacy/privacy.types.js';
import { PrivacyService } from '../../privacy/privacy.service.js';
import { recordText } from '../../privacy/record-key.js';
import { RetentionService } from '../../retention/retention.service.js';
import { renderExport, renderHold, renderPrivacyLog, renderReceipt } from '../privacy-text.js';
import { ask, isTerminal } from '../terminal.js';
import type { Verb } from '../verb.js';

/** `pgkeep privacy export MODEL ID [--out DIR] [--html]`: writes everything about one record into files. */
export const privacyExportVerb: Verb = {
  prismaProject: 'all',
  declare: (command) =>
    onRecord(command)
      .option('--out <directory>', 'where to write (the working directory by default)', '.')
      .option('--html', 'write a page for people, too')
      .option('--by <who>', 'who asks (the user of the system by default)')
      .option('--because <text>', 'why it is exported'),
  shutsDownGracefully: true,
  run: async (app, parameters, { out, html, by, because }, signal) => {
    const request = {
      ...(typeof by === 'string' && { by }),
      ...(typeof because === 'string' && { because }),
    };
    const files = { directory: String(out), page: html === true, signal };
    const report = await app.get(PrivacyService).export(recordOf(parameters), request, files);
    return { json: report, text: renderExport(report) };
  },
};

/** `pgkeep privacy delete MODEL ID --by WHO --because TEXT`: marks a record as deleted. */
export const privacyDeleteVerb = actionVerb((privacy, record, request) =>
  privacy.softDelete(record, request),
);

/** `pgkeep privacy restore MODEL ID --by WHO --because TEXT`: removes the mark. */
export const privacyRestoreVerb = actionVerb((privacy, record, request) => privacy.restore(record, request));

/** `pgkeep privacy anonymize MODEL ID --by WHO --because TEXT`: replaces the personal values. */
export const privacyAnonymizeVerb = actionVerb((privacy, record, request, options) =>
  privacy.anonymize(record, request, options),
);

/** `pgkeep privacy erase MODEL ID --by WHO --because TEXT [--confirm ID]`: deletes a record for good. */
export const privacyEraseVerb: Verb = {
  ...actionVerb(
    (privacy, record, request, options) => privacy.erase(record, request, options),
    (command) => command.option('--confirm <id>', 'the id once more: required in production'),
    confirmErasure,
  ),
  shutsDownGracefully: true,
};

/** Asks for the id once more in production on a terminal; elsewhere only the option confirms. */
async function confirmErasure(
  app: INestApplicationContext,
  record: RecordName,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { environment, database } = app.get<Settings>(SETTINGS);
  if (environment !== 'production' || !isTerminal()) return undefined;
  const where = `database "${database.url.database}"`;
  return await ask(
    `Type ${record.id} to erase ${recordText(record)} from ${where} (production), which cannot be undone: `,
    signal,
  );
}

/** `pgkeep privacy hold MODEL ID --because TEXT [--until DATE] [--by WHO]`: puts a legal hold on a record. */
export const privacyHoldVerb: Verb = {
  prismaProject: 'all',
  declare: (command) =>
    onHold(command).option('--until <date>', 'the last day, such as 2027-03-31 (no end by default)'),
  run: async (app, parameters, options) => {
    const { until } = options;
    const report = await app
      .get(PrivacyService)
      .hold(recordOf(parameters), holdRequest(options), typeof until === 'string' ? until : undefined);
    return { json: report, text: renderHold(report) };
  },
};

/** `pgkeep privacy release MODEL ID --because TEXT [--by WHO]`: ends the legal hold of a record. */
export const privacyReleaseVerb: Verb = {
  prismaProject: 'all',
  declare: (command) => onHold(command),
  run: async (app, parameters, options) => {
    const report = await app.get(PrivacyService).release(recordOf(parameters), holdRequest(options));
    return { json: report, text: renderHold(report) };
  },
};

/** `pgkeep privacy log [MODEL ID] [--limit N]`: shows what was done. */
export const privacyLogVerb: Verb = {
  prismaProject: 'all',
  declare: (command) =>
    command
      .argument('[model]', 'the model of the record')
      .argument('[id]', 'its id')
      .option('--limit <number>', 'how many of the newest actions to show', wholeNumber, 20),
  run: async (app, [model, id], { limit }) => {
    if (model !== undefined && id === undefined) {
      throw new PgkeepError('USAGE_INVALID', 'Missing argument: the id of the record.', {
        hint: 'Usage: pgkeep privacy log MODEL ID, or pgkeep privacy log for all.',
      });
    }
    const record = model === undefined ? undefined : { model, id: id ?? '' };
    const log = await app.get(PrivacyService).log(record, Number(limit));
    return { json: log, text: renderPrivacyLog(log, record) };
  },
};

function actionVerb(
  act: (
    privacy: PrivacyService,
    record: RecordName,
    request: ActionRequest,
    options: ActionOptions,
  ) => Promise<Receipt>,
  more: (command: Command) => Command = (command) => command,
  consent: (
    app: INestApplicationContext,
    record: RecordName,
    signal: AbortSignal,
  ) => Promise<string | undefined> = async () => undefined,
): Verb {
  return {
    prismaProject: 'all',
    declare: (command) =>
      more(
        onRecord(command)
          .requiredOption('--by <who>', 'who asks for it')
          .requiredOption('--because <text>', 'why; without the name of a person'),
      ),
    run: async (app, parameters, { by, because, confirm: given }, signal) => {
      const record = recordOf(parameters);
      const confirm = typeof given === 'string' ? given : await consent(app, record, signal);
      const receipt = await act(
        app.get(PrivacyService),
        record,
        { by: String(by), because: String(because) },
        { copies: copiesOf(app), confirm },
      );
      return { json: receipt, text: renderReceipt(receipt) };
    },
  };
}

/** Asked only when something was erased: it lists the backups of every place. */
function copiesOf(app: INestApplicationContext): ActionOptions['copies'] {
  return async () => await app.get(RetentionService).copies();
}

function onRecord(command: Command): Command {
  return command
    .argument('<model>', 'the model of the Prisma schema')
    .argument('<id>', 'the value of its key; several with commas between');
}

function onHold(command: Command): Command {
  return onRecord(command)
    .requiredOption('--because <text>', 'why')
    .option('--by <who>', 'who asks for it (the user of the system by default)');
}

function holdRequest({ by, because }: OptionValues): ActionRequest {
  return { by: typeof by === 'string' ? by : operator(), because: String(because) };
}

function recordOf([model = '', id = '']: readonly string[]): RecordName {
  return { model, id };
}

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Use an integer of at least 1.');
}
