import { type Size, sizes } from '../../contracts/limits.ts';
import { allSizes } from './installation.ts';
import { gibibytes } from './jobs.ts';
import { serviceSize } from './service.ts';

/** Cloud Run's list prices of jobs and of services whose processor is always allocated, in a region of tier 1. */
export const cloudRunPrices = {
  usdPerCpuSecond: 0.000018,
  usdPerGibSecond: 0.000002,
  asOf: '2026-11-21',
} as const;

const typicalSeconds = 60;
const secondsPerMonth = (365.25 / 12) * 86_400;

function usdOf(seconds: number, cpus: number, gibs: number): number {
  return seconds * (cpus * cloudRunPrices.usdPerCpuSecond + gibs * cloudRunPrices.usdPerGibSecond);
}

/** What the container of a task costs while it is there, without models, storage and the free tier. */
export function usdOfTask(size: Size, seconds: number): number {
  return usdOf(seconds, sizes[size].cpus, gibibytes(size));
}

export function usdOfServicePerMonth(): number {
  return usdOf(secondsPerMonth, serviceSize.cpus, serviceSize.gibibytes);
}

/** Lines for people. */
export function costLines(withService: boolean): string[] {
  const { usdPerCpuSecond: cpu, usdPerGibSecond: gib, asOf } = cloudRunPrices;
  const service = `the service, always there: ${amount(usdOfServicePerMonth(), 2)} a month (${serviceSize.cpus} CPU, ${serviceSize.gibibytes} GiB)`;
  return [
    `a task: seconds × (CPU × ${decimal(cpu)} + GiB × ${decimal(gib)}) USD, from the container's start to its end`,
    ...allSizes.map(
      (size) =>
        `${size} for ${typicalSeconds} s: ${typicalSeconds} × (${sizes[size].cpus} × ${decimal(cpu)} + ${gibibytes(size)} × ${decimal(gib)}) = ${amount(usdOfTask(size, typicalSeconds), 5)}`,
    ),
    withService
      ? service
      : `without --service nothing runs, and nothing of Cloud Run is paid for, between tasks (${service})`,
    `list prices of Cloud Run as of ${asOf}, before its free tier; some twenty small objects in the bucket, one use of the key and what the model takes come on top`,
  ];
}

function amount(usd: number, digits: number): string {
  return `${usd.toFixed(digits)} USD`;
}

function decimal(price: number): string {
  return price.toFixed(6);
}
