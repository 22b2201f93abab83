import OpenAI from 'openai';
import * as helpers from 'openai/helpers/zod';
import { z } from 'zod';
import { testRandomReplies } from '../lib/random-replies.mjs';

testRandomReplies('openai 7', { OpenAI, helpers, z });
