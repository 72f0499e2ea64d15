/** What is used of jstat, which comes without types. */
declare module 'jstat' {
  const jstat: {
    /** Student's t: the value below which a share `p` lies. */
    readonly studentt: { inv(p: number, freedom: number): number };
    readonly binomial: { cdf(successes: number, trials: number, p: number): number };
  };
  export default jstat;
}
