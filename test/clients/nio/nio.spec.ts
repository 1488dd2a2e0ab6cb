import { talksEncrypted } from '../talks-encrypted.js';
import { installNio } from './install.js';

talksEncrypted('matrix-nio', installNio());
