/** Where in Google Cloud an installation of Runyard lies. Names only; no credential is among them. */
export interface CloudPlace {
  readonly project: string;
  readonly region: string;
  /** Of `{job}-{size}`. */
  readonly job: string;
  readonly bucket: string;
  /** `projects/P/locations/L/keyRings/R/cryptoKeys/K`. */
  readonly kmsKey: string;
  readonly endpoints: GoogleEndpoints;
}

/** In place of Google's own where given. `http://host:port` speaks plain HTTP/JSON without credentials. */
export interface GoogleEndpoints {
  readonly run?: string;
  readonly storage?: string;
  readonly kms?: string;
  readonly secretManager?: string;
  readonly sts?: string;
}
