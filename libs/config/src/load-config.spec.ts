import { expect, it } from 'vitest';
import { defineConfig, flag, integer, list, loadConfig, setting, text } from './index.js';

const definition = defineConfig('test', {
  port: setting('COGMESH_TEST_PORT', integer({ min: 1, max: 65_535, default: 7000 }), 'Port.'),
  verbose: setting('COGMESH_TEST_VERBOSE', flag(false), 'Talk.'),
  names: setting('COGMESH_TEST_NAMES', list(['a', 'b']), 'Names.'),
  url: setting('COGMESH_TEST_URL', text(''), 'Where.'),
});

it('names every wrong variable at once', () => {
  const load = () => loadConfig(definition, { COGMESH_TEST_PORT: '0', COGMESH_TEST_VERBOSE: 'maybe' });
  expect(load).toThrow(/COGMESH_TEST_PORT[\s\S]*COGMESH_TEST_VERBOSE/);
});

it('yields defaults for unset and empty variables, frozen', () => {
  const config = loadConfig(definition, { COGMESH_TEST_PORT: '' });
  expect(config).toEqual({ port: 7000, verbose: false, names: ['a', 'b'], url: '' });
  expect(() => Object.assign(config, { port: 1 })).toThrow();
});

it('parses what is set', () => {
  const environment = { COGMESH_TEST_PORT: '81', COGMESH_TEST_VERBOSE: 'yes', COGMESH_TEST_NAMES: ' x, ,y ' };
  expect(loadConfig(definition, environment)).toEqual({ port: 81, verbose: true, names: ['x', 'y'], url: '' });
});
