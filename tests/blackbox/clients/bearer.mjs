// Gives every HTTP request of the Node program it is loaded into (`node --import`) the bearer token in BEARER.
//
// The conformance suite has no option for a credential, and the gate has no listener without one. Node's own channels
// are used, so that the requests of `fetch`, undici and `http` are as the program made them in everything else.

import { subscribe } from 'node:diagnostics_channel';

const value = `Bearer ${process.env.BEARER}`;
subscribe('undici:request:create', ({ request }) => request.addHeader('authorization', value));
subscribe('http.client.request.created', ({ request }) => request.setHeader('authorization', value));
