import type { Command } from 'commander';
import type { RunDocument, ScheduleDefinition, ScheduleView } from '@cogmesh/sdk';
import type { CliContext } from '../context.js';
import { numberOf, timeOf } from '../numbers.js';
import { table } from '../output/table.js';
import type { WithContext } from '../program.js';
import { loadDocument } from '../run-file.js';

interface PutOptions {
  readonly cron: string;
  readonly timeZone?: string;
  readonly misfire?: string;
  readonly maxMisfires?: string;
  readonly overlap?: string;
  readonly paused?: boolean;
}

export function addSchedules(program: Command, contextOf: WithContext): void {
  const schedules = program
    .command('schedules')
    .argument('[name]', 'one schedule with its next times')
    .description('runs that come by the clock')
    .action(async (name: string | undefined, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const client = context.client().scheduling;
      if (name !== undefined) return show(context, await client.schedule(name));
      const found = await client.schedules();
      context.say(found.length === 0 ? 'no schedules' : schedulesTable(found));
      context.emit({ schedules: found });
    });
  addPut(schedules, contextOf);
  addPauses(schedules, contextOf);
  addFirings(schedules, contextOf);
}

function addPut(schedules: Command, contextOf: WithContext): void {
  schedules
    .command('put')
    .argument('<name>', 'unique in the organisation')
    .argument('<file>', 'run document: JSON, or a module that exports a DAG')
    .description('make a schedule, or replace it')
    .requiredOption('--cron <times>', 'five or six fields, for example "0 6 * * 1-5"')
    .option('--time-zone <zone>', 'IANA name (default: UTC)')
    .option('--misfire <policy>', 'times that passed while nobody was there: skip, once (default) or all')
    .option('--max-misfires <n>', 'for all: at most this many')
    .option('--overlap <policy>', 'a time while the last run is unfinished: skip (default), allow, queue or cancel')
    .option('--paused', 'it does not fire yet')
    .action(async (name: string, file: string, options: PutOptions, command: Command) => {
      const context = contextOf(command);
      const { maxMisfires, ...given } = options;
      const document = JSON.parse(await loadDocument(file)) as RunDocument;
      const most = maxMisfires === undefined ? {} : { maxMisfires: numberOf(maxMisfires, '--max-misfires') };
      const schedule = { document, ...given, ...most } as ScheduleDefinition;
      show(context, await context.client().scheduling.putSchedule(name, schedule));
    });
  schedules
    .command('delete')
    .argument('<name>')
    .description('remove a schedule; runs that it fired go on')
    .action(async (name: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      await context.client().scheduling.deleteSchedule(name);
      context.say(`${name} is gone`);
      context.emit({ deleted: name });
    });
}

function addPauses(schedules: Command, contextOf: WithContext): void {
  for (const paused of [true, false]) {
    schedules
      .command(paused ? 'pause' : 'resume')
      .argument('<name>')
      .description(paused ? 'a schedule does not fire until it is resumed' : 'let a paused schedule fire again')
      .action(async (name: string, _options: unknown, command: Command) => {
        const context = contextOf(command);
        const client = context.client().scheduling;
        const { cron, timeZone, document, misfire, maxMisfires, overlap } = await client.schedule(name);
        const kept = { cron, timeZone, document, misfire, maxMisfires, overlap };
        show(context, await client.putSchedule(name, { ...kept, paused }));
      });
  }
}

function addFirings(schedules: Command, contextOf: WithContext): void {
  schedules
    .command('trigger')
    .argument('<name>')
    .description('fire a schedule now')
    .action(async (name: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const fired = await context.client().scheduling.triggerSchedule(name);
      context.say(fired.run);
      context.emit(fired);
    });
  schedules
    .command('backfill')
    .argument('<name>')
    .requiredOption('--from <time>', 'ISO 8601')
    .requiredOption('--to <time>', 'ISO 8601, excluded')
    .option('--limit <n>', 'most runs it may make (default: 100)')
    .description('fire a schedule once for each of its times in a past range')
    .action(async (name: string, given: { from: string; to: string; limit?: string }, command: Command) => {
      const context = contextOf(command);
      const limit = given.limit === undefined ? {} : { limit: numberOf(given.limit, '--limit') };
      const range = { from: timeOf(given.from, '--from'), to: timeOf(given.to, '--to'), ...limit };
      const { runs } = await context.client().scheduling.backfillSchedule(name, range);
      context.say(runs.length === 0 ? 'no time falls into the range' : runs.join('\n'));
      context.emit({ runs });
    });
}

function show(context: CliContext, schedule: ScheduleView): void {
  context.say(schedulesTable([schedule]));
  for (const time of schedule.upcoming ?? []) context.say(`  ${time}`);
  context.emit(schedule);
}

export function schedulesTable(schedules: readonly ScheduleView[]): string {
  const rows = schedules.map((one) => [
    one.name,
    one.cron,
    one.timeZone || 'UTC',
    one.paused ? 'paused' : (one.nextAt ?? 'never'),
    one.lastRun ?? '',
    one.lastError?.message ?? '',
  ]);
  return table(['schedule', 'cron', 'zone', 'next', 'last run', ''], rows);
}
