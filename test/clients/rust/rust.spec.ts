import { talksEncrypted } from '../talks-encrypted.js';
import { buildRust } from './build.js';

talksEncrypted('matrix-rust-sdk', buildRust());
