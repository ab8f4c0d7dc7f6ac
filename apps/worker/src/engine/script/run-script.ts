/**
 * Runs one user script in QuickJS: its own context, no I/O of any kind, memory and time limits, JSON in and JSON out.
 * The script is a function body with `input` in scope. The interrupt handler ends a script that overstays; should even
 * that not come through, the worker kills the process. After any failure the whole sandbox is thrown away.
 */
import releaseSyncVariant from '@jitl/quickjs-wasmfile-release-sync';
import { CogmeshError } from '@cogmesh/errors';
import {
  newQuickJSWASMModuleFromVariant,
  newVariant,
  type QuickJSContext,
  type QuickJSSyncVariant,
  type QuickJSWASMModule,
} from 'quickjs-emscripten-core';
import type { ScriptToRun } from '../protocol.js';

/** Below what the host's own stack can carry, so that deep recursion is the script's error and not ours. */
const stackBytes = 160 * 1024;
const fileName = 'script';
/** Longest error message passed on, characters. */
const maxMessageLength = 500;

// The package declares CommonJS types for what Node loads as an ES module.
const variant = releaseSyncVariant as unknown as QuickJSSyncVariant;

/** WebAssembly's unit of memory, bytes, and what the sandbox starts with, pages. */
const pageBytes = 65_536;
const initialPages = 256;

/** The part of the platform's WebAssembly used here; its types come with the DOM's otherwise. */
declare const WebAssembly: { readonly Memory: new (pages: { initial: number; maximum: number }) => object };

interface Sandbox {
  readonly module: QuickJSWASMModule;
  readonly memoryBytes: number;
}

let sandbox: Promise<Sandbox> | undefined;

/** The script's answer as JSON. Throws `script_error` (with the line), `script_timeout`, `script_memory`, `output_too_large`. */
export async function runScript(script: ScriptToRun): Promise<string> {
  try {
    const module = await sandboxOf(script.memoryBytes);
    const runtime = module.newRuntime();
    runtime.setMaxStackSize(stackBytes);
    const deadline = performance.now() + script.timeoutMs;
    runtime.setInterruptHandler(() => performance.now() >= deadline);
    const context = runtime.newContext();
    const outputJson = evaluate(context, script, () => performance.now() >= deadline);
    context.dispose();
    runtime.dispose();
    return outputJson;
  } catch (thrown) {
    sandbox = undefined;
    if (thrown instanceof CogmeshError) throw thrown;
    throw new CogmeshError('script_error', `the sandbox gave up: ${clip(String(thrown))}`);
  }
}

/**
 * A sandbox that cannot outgrow the limit because its WebAssembly memory cannot. QuickJS's own memory limit is of no use
 * here: this build counts a few bytes for an allocation of any size.
 */
async function sandboxOf(memoryBytes: number): Promise<QuickJSWASMModule> {
  const existing = await sandbox;
  if (existing?.memoryBytes === memoryBytes) return existing.module;
  const maximum = Math.max(initialPages, Math.floor(memoryBytes / pageBytes));
  const wasmMemory = new WebAssembly.Memory({ initial: initialPages, maximum });
  sandbox = newQuickJSWASMModuleFromVariant(newVariant(variant, { wasmMemory })).then((module) => ({
    module,
    memoryBytes,
  }));
  return (await sandbox).module;
}

function evaluate(context: QuickJSContext, script: ScriptToRun, expired: () => boolean): string {
  const json = context.newString(script.inputJson);
  context.setProp(context.global, 'inputJson', json);
  json.dispose();
  // The body starts on the wrapper's first line, so that line numbers are the author's.
  const code = `(function (input) {${script.source}\n})`;
  const program = 'JSON.stringify(program(JSON.parse(inputJson)))';
  const compiled = context.evalCode(code, fileName);
  if (compiled.error) throw failure(context.dump(compiled.error), expired());
  context.setProp(context.global, 'program', compiled.value);
  compiled.value.dispose();
  const result = context.evalCode(program, 'cogmesh');
  if (result.error) throw failure(context.dump(result.error), expired());
  const outputJson = context.typeof(result.value) === 'string' ? context.getString(result.value) : 'null';
  result.value.dispose();
  const bytes = Buffer.byteLength(outputJson);
  if (bytes > script.maxOutputBytes) {
    const message = `the script returned ${bytes} bytes of JSON, at most ${script.maxOutputBytes} are accepted`;
    throw new CogmeshError('output_too_large', message, { bytes, limit: script.maxOutputBytes });
  }
  return outputJson;
}

/** What QuickJS says of a thrown value. */
interface Thrown {
  readonly name: string;
  readonly message: string;
  readonly line: number | undefined;
}

function failure(dumped: unknown, expired: boolean): CogmeshError {
  const { name, message, line } = readThrown(dumped);
  if (expired && message === 'interrupted') return new CogmeshError('script_timeout', 'the script ran out of time');
  if (dumped === null || (name === 'InternalError' && message === 'out of memory')) {
    return new CogmeshError('script_memory', 'the script ran out of memory');
  }
  const text = clip(name === '' ? message : `${name}: ${message}`);
  return line === undefined
    ? new CogmeshError('script_error', text)
    : new CogmeshError('script_error', `line ${line}: ${text}`, { line });
}

function readThrown(dumped: unknown): Thrown {
  if (typeof dumped !== 'object' || dumped === null) return { name: '', message: String(dumped), line: undefined };
  const { name, message, stack, lineNumber } = dumped as Readonly<Record<string, unknown>>;
  return {
    name: typeof name === 'string' ? name : '',
    message: typeof message === 'string' ? message : (JSON.stringify(dumped) ?? ''),
    line: lineOf(stack) ?? (typeof lineNumber === 'number' ? lineNumber : undefined),
  };
}

/** The innermost frame inside the script: `at f (script:3:20)`. */
function lineOf(stack: unknown): number | undefined {
  const match = typeof stack === 'string' ? /\bscript:(\d+)/.exec(stack) : null;
  return match ? Number(match[1]) : undefined;
}

function clip(text: string): string {
  return text.length > maxMessageLength ? `${text.slice(0, maxMessageLength - 3)}...` : text;
}
