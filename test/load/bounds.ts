/**
 * How many times a bound on time or memory may be exceeded before a test fails: 1, or what `LOAD_SLACK` says where a
 * machine is shared with others and only a gross excess is to count.
 */
export const slack: number = Number(process.env.LOAD_SLACK ?? 1);
