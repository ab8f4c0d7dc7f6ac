/** One row of the REST API's table. */
import type { ErrorCode } from '@cogmesh/errors';
import type { SchemaName } from './components.js';

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly description: string;
  readonly schema?: Readonly<Record<string, unknown>>;
}

export interface Answer {
  readonly status: number;
  readonly description: string;
  readonly schema?: SchemaName;
  /** Instead of `application/json`. */
  readonly mediaType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Call {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  readonly path: string;
  readonly id: string;
  readonly tag:
    | 'Runs'
    | 'Limits'
    | 'Schedules'
    | 'Webhooks'
    | 'Blobs'
    | 'Mesh'
    | 'Policies'
    | 'Partners'
    | 'AuthZEN'
    | 'Operations';
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  readonly body?: { readonly schema?: SchemaName; readonly mediaType?: string; readonly required: boolean };
  readonly answer: Answer;
  readonly also?: readonly Answer[];
  /** Beyond those that any authenticated call may answer. */
  readonly errors?: readonly ErrorCode[];
  /** Needs no token. */
  readonly open?: boolean;
}
