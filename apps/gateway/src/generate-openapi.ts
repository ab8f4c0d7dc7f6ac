/** Writes docs/openapi.json. `npm run generate` runs it; verify fails when the file is not what this writes. */
import { writeFile } from 'node:fs/promises';
import { version } from '@cogmesh/service';
import { openApiDocument } from './openapi/document.js';

const target = new URL('../../../docs/openapi.json', import.meta.url);
await writeFile(target, `${JSON.stringify(openApiDocument(version), null, 2)}\n`);
