/**
 * What authorisation costs: one file in `cases` per question, each answering a part of the one object. `--case=uncached`
 * runs only these; what was not measured is absent.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { listOption } from '../src/options.mjs';

const folder = join(import.meta.dirname, 'cases');
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.mjs'))
  .map((file) => file.slice(0, -'.mjs'.length));

export async function summary({ quick, say }) {
  const wanted = listOption('--case') ?? names;
  const unknown = wanted.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`policy has no case ${unknown.join(', ')}; there are ${names.join(', ')}`);
  const figures = { peers: {} };
  for (const name of wanted) {
    const { measure } = await import(join(folder, `${name}.mjs`));
    try {
      const { peers = {}, ...others } = await measure({ quick, say });
      Object.assign(figures, others);
      Object.assign(figures.peers, peers);
    } catch (error) {
      // One case that cannot be measured here takes nothing from the others.
      say(`${name} was not measured: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 1;
    }
  }
  return figures;
}
