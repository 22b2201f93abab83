import OpenAI from 'openai';
import * as helpers from 'openai/helpers/zod';
import { z } from 'zod';
import { testOpenAI } from '../lib/openai.mjs';

testOpenAI('openai 5', { OpenAI, helpers, z });
