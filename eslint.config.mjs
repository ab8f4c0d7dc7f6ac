import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';

/**
 * Who may import whom: one row per kind of room, as ARCHITECTURE.md's table has it. `tools/boundaries.spec.ts` proves
 * that a forbidden import fails.
 */
const anyone = 'type:vocabulary';
const rooms = [
  ['type:app', ['type:core', 'type:edge', 'type:platform', 'type:contract', anyone]],
  ['type:core', ['type:core', anyone]],
  ['type:edge', ['type:edge', 'type:platform', 'type:contract', 'scope:policy', anyone]],
  ['type:platform', ['type:platform', 'type:contract', anyone]],
  ['type:contract', []],
  [anyone, []],
  ['type:sdk', ['type:contract', 'scope:rpc', 'type:platform', anyone]],
  ['type:test', ['type:core', 'type:edge', 'type:platform', 'type:contract', anyone]],
];

/** A service's core is its own: only what is named here crosses scopes. */
const scopes = [
  ['scope:gateway', ['scope:gateway', 'scope:shared']],
  ['scope:policy', ['scope:policy', 'scope:shared']],
  ['scope:scheduler', ['scope:scheduler', 'scope:shared']],
  ['scope:registry', ['scope:registry', 'scope:shared']],
  ['scope:worker', ['scope:worker', 'scope:inference', 'scope:shared']],
  ['scope:inference', ['scope:inference', 'scope:shared']],
  ['scope:sidecar', ['scope:sidecar', 'scope:shared']],
];

/** Packages that must not reach a kind of room, directly or through its own package.json. */
const frameworks = ['@nestjs/*', '@grpc/*', 'amqplib', 'pg', '@opentelemetry/*'];
const bans = { 'type:core': frameworks, 'type:edge': ['@nestjs/*'], 'type:contract': frameworks, [anyone]: frameworks };

const depConstraints = [
  ...rooms.map(([sourceTag, allowed]) => ({
    sourceTag,
    onlyDependOnLibsWithTags: sourceTag === 'type:app' ? [...allowed, 'type:sdk'] : allowed,
    ...(bans[sourceTag] ? { bannedExternalImports: bans[sourceTag] } : {}),
  })),
  ...scopes.map(([sourceTag, onlyDependOnLibsWithTags]) => ({ sourceTag, onlyDependOnLibsWithTags })),
  // The composition of all in one, and the command line above it, are the only rooms above apps.
  { sourceTag: 'type:composition', onlyDependOnLibsWithTags: ['type:app', 'type:edge', 'type:platform', anyone] },
  {
    sourceTag: 'type:command-line',
    // Policies are checked, tested and compared on the spot, before anything is sent.
    onlyDependOnLibsWithTags: [
      'type:composition',
      'type:sdk',
      'type:edge',
      'type:platform',
      'type:contract',
      'use:command-line',
      anyone,
    ],
  },
];

const tests = [
  '**/*.spec.ts',
  '**/*.contract.ts',
  '**/test/**/*.ts',
  'libs/testkit/**/*.ts',
  'e2e/**/*.ts',
  'bench/**/*.ts',
];

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/out-tsc/**',
      '**/.cogmesh/**',
      '.nx/**',
      'libs/contracts/src/gen/**',
      'node_modules/**',
    ],
  },
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts'],
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['vitest*.config.ts'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    plugins: { '@nx': nx },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        {
          // `serve` loads one service lazily, all in one loads them all: both are meant.
          checkDynamicDependenciesExceptions: ['.*'],
          enforceBuildableLibDependency: false,
          allowCircularSelfDependency: true,
          banTransitiveDependencies: true,
          depConstraints,
        },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      complexity: ['error', 12],
      'max-depth': ['error', 3],
      'max-lines': ['error', 400],
      'max-lines-per-function': ['error', { max: 60, skipComments: true, skipBlankLines: true }],
      'max-params': ['error', 4],
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Name what you export.' },
        {
          selector: "MemberExpression[object.name='process'][property.name='env']",
          message: 'Only libs/config reads the environment.',
        },
      ],
    },
  },
  {
    files: tests,
    rules: {
      'max-lines-per-function': 'off',
      'max-lines': 'off',
      'max-params': 'off',
      '@nx/enforce-module-boundaries': 'off',
    },
  },
  { files: ['libs/config/src/process-environment.ts', 'tools/**/*.ts'], rules: { 'no-restricted-syntax': 'off' } },
  { files: ['**/vitest*.config.ts'], rules: { 'no-restricted-syntax': 'off' } },
  { files: ['apps/cli/**/*.ts', 'bench/**/*.ts'], rules: { 'no-console': 'off' } },
);
