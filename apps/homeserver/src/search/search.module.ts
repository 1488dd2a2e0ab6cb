import { Module } from '@nestjs/common';
import { SearchIndexStore } from './search-index.store.js';
import { SearchIndexer } from './search-indexer.js';
import { SearchMatchesStore } from './search-matches.store.js';

/** The index of texts, and what it finds. Who may see what is found decides `sync/search/`. */
@Module({
  providers: [SearchIndexStore, SearchIndexer, SearchMatchesStore],
  exports: [SearchIndexer, SearchMatchesStore],
})
export class SearchModule {}
