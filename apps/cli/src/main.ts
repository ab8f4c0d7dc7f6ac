import { processEnvironment } from '@cogmesh/config';
import { runProgram } from './program.js';

process.exitCode = await runProgram(process.argv, processEnvironment());
