/** What servers compute with if no backend is given: they need immediate forms that clients do without. */
export { web as wholeBackend } from '../backends/web.js';
