/** The backend used when none is given. */
export { web as defaultBackend } from '../backends/web.js';
