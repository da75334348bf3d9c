# What `cmake --install` puts where: library, header, pkg-config and CMake files, program, manual
# pages, systemd unit. Nothing names the prefix, so an installed tree can be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set_target_properties(libproximadb PROPERTIES EXPORT_NAME proximadb)
set_target_properties(libproximadb_static PROPERTIES EXPORT_NAME static)
# What a program that links the static library must link, too: by pkg-config there as here.
target_link_libraries(libproximadb_static INTERFACE $<INSTALL_INTERFACE:proximadb::needs>)

install(TARGETS libproximadb libproximadb_static EXPORT proximadb-targets)
install(FILES include/proximadb.h TYPE INCLUDE)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/proximadb)
install(EXPORT proximadb-targets NAMESPACE proximadb:: DESTINATION ${package_folder})
configure_package_config_file(cmake/proximadb-config.cmake.in proximadb-config.cmake
    INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/proximadb-config-version.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/proximadb-config.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/proximadb-config-version.cmake DESTINATION ${package_folder})

file(RELATIVE_PATH PX_PREFIX_FROM_PC /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/proximadb.pc.in proximadb.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/proximadb.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(TARGET proximadb)
    install(TARGETS proximadb)
    install(DIRECTORY man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 FILES_MATCHING PATTERN "*.1")
    # Not below LIBDIR, which has the machine's name in it on Debian: systemd looks in lib.
    install(FILES systemd/proximadb.service DESTINATION lib/systemd/system)
endif()
