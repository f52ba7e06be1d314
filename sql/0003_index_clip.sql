-- The nearest faces of pipeline "clip" without reading all of them.
CREATE INDEX faces_hnsw_clip ON faces
    USING hnsw ((embedding::vector(768)) vector_l2_ops)
    WHERE pipeline = 'clip';
