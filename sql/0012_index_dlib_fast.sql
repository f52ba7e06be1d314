-- The nearest faces of pipeline "dlib-fast" without reading all of them.
CREATE INDEX faces_hnsw_dlib_fast ON faces
    USING hnsw ((embedding::halfvec(128)) halfvec_l2_ops)
    WHERE pipeline = 'dlib-fast';
