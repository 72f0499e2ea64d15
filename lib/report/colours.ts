/**
 * The page's colours. Series are told apart under every common colour blindness (CIE76 of 25 and more between any two, as
 * simulated by Machado et al. 2009 at full severity), and have shapes or names besides; all of them keep 3:1 against the page,
 * texts 4.5:1 (WCAG 2.2 AA).
 */
export const LIGHT = {
  page: '#ffffff',
  soft: '#f4f6f8',
  ink: '#161a1f',
  muted: '#59626e',
  grid: '#e2e6ea',
  link: '#1a4fb4',
  good: '#0b6e4f',
  bad: '#b3261e',
  'warning-page': '#fff4d6',
  'warning-line': '#b27300',
  baseline: '#3a4048',
  fp32: '#1f5fd6',
  fp16: '#c25e00',
  int8: '#049f77',
  'on-phase': '#ffffff',
  'phase-1': '#4c5fd5',
  'phase-2': '#0f766e',
  'phase-3': '#b4530a',
  'phase-4': '#8a3ab9',
  'phase-5': '#3f7d20',
  'phase-6': '#c02670',
  'phase-7': '#0b6fa4',
  'phase-8': '#5b6472',
} as const;

export type Palette = Readonly<Record<keyof typeof LIGHT, string>>;

export const DARK: Palette = {
  page: '#12161c',
  soft: '#1a2029',
  ink: '#e7ebf0',
  muted: '#9ca7b4',
  grid: '#2b333e',
  link: '#8db4ff',
  good: '#4fd6a5',
  bad: '#ff8f85',
  'warning-page': '#2f2711',
  'warning-line': '#e0a63a',
  baseline: '#7a8494',
  fp32: '#8db4ff',
  fp16: '#f08a3c',
  int8: '#2ee6ae',
  'on-phase': '#0b0e12',
  'phase-1': '#8fa2ff',
  'phase-2': '#4fd1c5',
  'phase-3': '#f6ad55',
  'phase-4': '#d6a4f5',
  'phase-5': '#9ad46a',
  'phase-6': '#ff8fbd',
  'phase-7': '#6cc5f0',
  'phase-8': '#aab4c2',
};

export const declarations = (palette: Palette): string =>
  Object.entries(palette)
    .map(([name, value]) => `--${name}:${value}`)
    .join(';');
