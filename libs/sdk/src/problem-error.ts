import { CogmeshError, isErrorCode, type ErrorCode, type ErrorDetails, type Issue } from '@cogmesh/errors';

/** What a server that is not ours, or a proxy before it, can still tell: its status. */
const codeByStatus = new Map<number, ErrorCode>([
  [400, 'invalid_argument'],
  [401, 'unauthenticated'],
  [403, 'permission_denied'],
  [404, 'not_found'],
  [408, 'timeout'],
  [409, 'conflict'],
  [413, 'payload_too_large'],
  [415, 'unsupported_media_type'],
  [429, 'rate_limited'],
  [502, 'unavailable'],
  [503, 'unavailable'],
  [504, 'timeout'],
]);

const known = new Set(['type', 'title', 'status', 'code', 'detail', 'errors']);

/** `Retry-After` in seconds: a number or a date; undefined when absent or unreadable. */
function retryAfterSeconds(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, seconds);
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? undefined : Math.max(0, (atMs - nowMs) / 1_000);
}

/** The error of an answer that is not 2xx: the problem document's code, sentence and evidence, or what the status tells. */
export async function errorOfResponse(response: Response): Promise<CogmeshError> {
  const body = await response.text().catch(() => '');
  const problem = parseObject(body) ?? {};
  const claimed = String(problem['code'] ?? '');
  const code = isErrorCode(claimed) ? claimed : (codeByStatus.get(response.status) ?? 'internal');
  const said = problem['detail'];
  const sentence = typeof said === 'string' ? said : `HTTP ${response.status} ${body.slice(0, 200)}`;
  return new CogmeshError(code, sentence, evidenceOf(problem, response));
}

function evidenceOf(problem: Readonly<Record<string, unknown>>, { status, headers }: Response): ErrorDetails {
  const evidence = Object.fromEntries(Object.entries(problem).filter(([name]) => !known.has(name)));
  const seconds = retryAfterSeconds(headers.get('retry-after'), Date.now());
  const issues = problem['errors'];
  return {
    ...evidence,
    status,
    ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
    ...(Array.isArray(issues) ? { issues: issues as Issue[] } : {}),
  };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
