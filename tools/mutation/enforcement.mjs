import { mutationOf } from './room.mjs';

export default mutationOf('enforcement');
