import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/unit/**/*.test.ts'],
    globalSetup: 'test/unit/setup.ts',
    // The addon has threads of its own: a process for each file, not a thread.
    pool: 'forks',
    testTimeout: 30_000,
  },
});
