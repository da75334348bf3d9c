# What `cmake --install` puts where: library, header, pkg-config and CMake files, program.
include(GNUInstallDirs)

install(TARGETS libproximadb libproximadb_static EXPORT proximadb-targets)
install(FILES include/proximadb.h TYPE INCLUDE)
install(EXPORT proximadb-targets NAMESPACE proximadb:: FILE proximadb-config.cmake
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/proximadb)
configure_file(cmake/proximadb.pc.in proximadb.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/proximadb.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(TARGET proximadb)
    install(TARGETS proximadb)
endif()
