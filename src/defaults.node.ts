import { recogniseBy } from './arguments.js';
import { traceBy } from './diagnostics.js';
import { channels } from './diagnostics.node.js';
import { meantName } from './suggest.js';

/** The backend used when none is given: on Node the one place of the library, beside the command line, that names one. */
export { node as defaultBackend } from '../backends/node.js';

// not where a page loads the code
recogniseBy(meantName);
traceBy(channels);
