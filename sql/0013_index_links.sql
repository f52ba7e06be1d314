-- The links of new faces are chosen among twice as many as pgvector does by itself: a search of a
-- million faces then finds as many of the nearest while it looks at half as many. Nothing is built
-- anew, as that would take hours of a large library; faces that are there keep their links.
ALTER INDEX IF EXISTS faces_hnsw_dlib SET (ef_construction = 128);
ALTER INDEX IF EXISTS faces_hnsw_dlib_fast SET (ef_construction = 128);
ALTER INDEX IF EXISTS faces_hnsw_clip SET (ef_construction = 128);
ALTER INDEX IF EXISTS faces_hnsw_sface SET (ef_construction = 128);
ALTER INDEX IF EXISTS faces_hnsw_arcface SET (ef_construction = 128);
